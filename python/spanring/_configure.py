"""The library's life in this process."""
import os
import platform
import sys
import warnings
from typing import Any, Dict, Mapping, NamedTuple, NoReturn, Optional, Union

from . import _native, context

_FORKED = 11  # SPANRING_REASON_FORKED
_RESOURCE_WHOLE = 0x1
IGNORE_ENVIRONMENT = 0x2

_original_exit = os._exit  # pylint: disable=protected-access
_options: Optional[Dict[str, Any]] = None


class State(NamedTuple):
    """Why tracing is on or off, and what was not recorded. True when it is on."""

    on: bool
    reason: int  # SPANRING_REASON_... of <spanring.h>
    text: str  # the reason in words
    error: int  # the errno behind it
    agent: bool  # an agent has answered
    path: str  # the ring, or the directory looked at last
    message: str  # the last trouble the library told
    refused_ring_full: int
    refused_too_large: int
    refused_no_memory: int
    refused_reentrant: int
    refused_inherited: int
    refused_invalid: int
    refused_limit: int
    ends_lost: int
    waited: int
    values_converted: int  # of a type without an attribute: str() was taken
    values_dropped: int  # not even that; an attribute of that kind is counted on its span
    values_none: int  # None, which is no value
    texts_repaired: int  # lone surrogates, made U+FFFD

    def __bool__(self) -> bool:
        """Whether spans are recorded; so they are in a forked child, from the first on."""
        return self.on or self.reason == _FORKED


def state() -> State:
    """What this process may know about its own tracing."""
    return State(**_native.state())


# ---- what is found out -------------------------------------------------------------

def module_name() -> Optional[str]:
    """The script's name without ending; of `python -m package.module`, the module's."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        parts = [part for part in spec.name.split(".") if part != "__main__"]
        return parts[-1] if parts else None
    path = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else None)
    if not path or path.startswith("-"):
        return None  # interactive, or -c
    name = os.path.splitext(os.path.basename(path))[0]
    if name == "__main__":  # a directory or an archive that is run
        name = os.path.splitext(os.path.basename(os.path.dirname(os.path.abspath(path))))[0]
    return name or None


def runtime() -> Dict[str, object]:
    version = sys.version_info
    return {
        "telemetry.sdk.language": "python",
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": f"{version.major}.{version.minor}.{version.micro}",
        "process.runtime.description": platform.python_version(),
    }


# ---- os._exit ------------------------------------------------------------------------

def _exit(status: int) -> NoReturn:
    """os._exit(), after the agent was told the status: without a word a process that
    is gone may as well have been killed."""
    try:
        _native.say_exit(status)
    except Exception:  # pylint: disable=broad-except
        pass  # a status that is none: the original says so
    _original_exit(status)


def wrap_os_exit(wrap: bool = True) -> None:
    """Whether os._exit() tells the agent its status. configure() asks for it,
    shutdown() puts the original back. (multiprocessing ends forked children by it.)"""
    if wrap and os._exit is _original_exit:  # pylint: disable=protected-access
        os._exit = _exit
    elif not wrap and os._exit is _exit:  # pylint: disable=protected-access,comparison-with-callable
        os._exit = _original_exit


# ---- on and off ------------------------------------------------------------------------

def configure(service_name: Optional[str] = None, *,
              service_version: Optional[str] = None,
              service_namespace: Optional[str] = None,
              service_instance_id: Optional[str] = None,
              deployment_environment: Optional[str] = None,
              module: Optional[str] = None,
              module_key: Optional[str] = None,
              resource: Optional[Mapping[str, object]] = None,
              resource_whole: bool = False,
              schema_url: Optional[str] = None,
              directory: Optional[Union[str, "os.PathLike[str]"]] = None,
              ring_bytes_max: int = 0,
              wait_ms: int = 0,
              ignore_environment: bool = False,
              hide: int = 0,
              os_exit: bool = True,
              thread_pools: bool = True,
              sigterm: Union[bool, str] = False) -> State:
    """Begins tracing; call it once, early. What is not said comes from the environment
    (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, ENVIRONMENT, ...) or is found out: the
    module's name is the script's without its ending.

    Returns the state, which is true when tracing is on and otherwise knows why not; a
    missing agent raises nothing, and one that comes later is found. While tracing is on
    further calls change nothing; after shutdown() it may begin anew.

    service_...             attributes of the process's resource
    deployment_environment  else ENVIRONMENT, "development"
    module, module_key      the resource attribute `<service>.module`, and its other name
    resource                more attributes; with resource_whole they are all there is
    directory               of the rings; else SPANRING_DIR and the usual places
    ring_bytes_max          else SPANRING_RING_MAX, 64 MiB
    wait_ms                 how long a call may wait for room, holding Python's lock; 0
    ignore_environment      no variable is read
    hide                    contents that spanring.genai leaves out: bits of its Hidden,
                            beside those of the environment
    os_exit                 os._exit() tells its status: wrap_os_exit()
    thread_pools            plain executors carry the current span: see spanring.context
    sigterm                 True: SIGTERM ends open spans in order, then the process as it
                            would have ended; "exit": it exits with 0 then. For programs
                            without a handler of their own: one that is set with
                            signal.signal() later replaces it.
    """
    global _options
    given = {name: value for name, value in locals().items()}
    now = state()
    if now:
        return now
    attributes = dict(resource or {})
    if not resource_whole:
        attributes = {**runtime(), **attributes}
    _native.init(service_name=service_name, service_version=service_version,
                 service_namespace=service_namespace,
                 service_instance_id=service_instance_id,
                 deployment_environment=deployment_environment,
                 module=module or module_name(), module_key=module_key,
                 resource=attributes, schema_url=schema_url,
                 directory=None if directory is None else os.fspath(directory),
                 ring_bytes_max=ring_bytes_max, wait_ms=wait_ms,
                 hide=hide, flags=(_RESOURCE_WHOLE if resource_whole else 0) |
                 (IGNORE_ENVIRONMENT if ignore_environment else 0))
    _options = given
    wrap_os_exit(os_exit)
    context.carry_into_thread_pools(thread_pools)
    if sigterm:
        _native.install_sigterm(sigterm == "exit")
    return state()


def adopt() -> None:
    """What configure() does beside the library: for tracing that another began."""
    wrap_os_exit(True)
    context.carry_into_thread_pools(True)


def options_given() -> Optional[Dict[str, Any]]:
    """What configure() was told, for other processes; None: nothing yet."""
    return None if _options is None else {**_options, "module": _options["module"] or
                                          module_name()}


def shutdown() -> None:
    """Ends tracing in this process; spans that are open are ended by the agent, with
    their status as it is. Not needed before exit."""
    global _options
    _options = None
    wrap_os_exit(False)
    context.carry_into_thread_pools(False)
    if _native.shutdown() < 0:
        warnings.warn("spanring: another thread is in configure(); tracing stays on",
                      RuntimeWarning, stacklevel=2)


def flush(timeout_s: float = 5.0) -> bool:
    """Waits until the agent has logged what was recorded before the call. Not needed
    for safety: it is in shared memory already."""
    return _native.flush(max(0, int(timeout_s * 1000))) == 0
