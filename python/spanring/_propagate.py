"""A trace on its way to other processes."""
import os
from typing import Dict, List, Mapping, MutableMapping, Optional, Union

from . import _native, baggage
from ._types import SpanContext

Place = Union[_native.Span, SpanContext]

# Every header that some propagator writes; a child gets those of today alone.
_HEADERS = ("traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid",
            "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags")


def inject(carrier: MutableMapping[str, str], span: Optional[Place] = None) -> None:
    """Writes the headers of a span (the current one) and of the baggage into a
    mapping. Which ones is the choice of OTEL_PROPAGATORS."""
    for name, value in _native.inject(span, baggage.header()):
        carrier[name] = value


def _lowered(carrier: Mapping[str, object]) -> Dict[str, str]:
    """Headers by lower-case names; several of one name are one."""
    found: Dict[str, List[str]] = {}
    for name in carrier:
        key = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        key = key.lower()
        if key not in _HEADERS:
            continue
        value = carrier[name]
        values = value if isinstance(value, (list, tuple)) else [value]
        for part in values:
            text = part.decode("latin-1") if isinstance(part, bytes) else str(part)
            found.setdefault(key, []).append(text)
    return {key: ",".join(values) for key, values in found.items()}


def extract(carrier: Mapping[str, object]) -> Optional[SpanContext]:
    """The place that headers name, or None: the trace begins here. Upper and lower
    case of names are the same. For their baggage see spanring.context.received()."""
    return _native.extract(_lowered(carrier))[0]


def extract_baggage(carrier: Mapping[str, object]) -> str:
    """The value of the header `baggage`, checked."""
    return _native.extract(_lowered(carrier))[1]


def child_environment(environment: Optional[Mapping[str, str]] = None,
                      span: Optional[Place] = None) -> Dict[str, str]:
    """An environment for a child process: ours, or the one given, with the span's
    context and the baggage in it (TRACEPARENT, TRACESTATE, BAGGAGE). Our own stays
    as it is.

        subprocess.run(command, env=spanring.child_environment())
    """
    variables = [name.upper().replace("-", "_") for name in _HEADERS]
    child = {name: value for name, value in
             (os.environ if environment is None else environment).items()
             if name not in variables}
    for name, value in _native.inject(span, baggage.header()):
        child[name.upper().replace("-", "_")] = value
    return child


def traceparent(span: Optional[Place] = None) -> Optional[str]:
    """The header of a span, or of the current place; None: there is none."""
    return _native.context_format(span)


def parse_traceparent(header: str, tracestate: Optional[str] = None) -> Optional[SpanContext]:
    """The place a header names; None: it makes no sense."""
    try:
        return _native.context_parse(header, tracestate)
    except (TypeError, ValueError):
        return None


def context_from_environment() -> Optional[SpanContext]:
    """What TRACEPARENT says now. configure() has taken it as the parent of spans that
    have no other already."""
    return _native.context_from_environment()


def context_from_file(path: Optional["os.PathLike[str] | str"] = None) -> Optional[SpanContext]:
    """The place a JSON file names: SPANRING_CONTEXT_FILE, else `trace.context`. None:
    there is no such file, or it is damaged."""
    return _native.context_from_file(None if path is None else os.fspath(path))


def context_to_file(span: Optional[Place] = None,
                    path: Optional["os.PathLike[str] | str"] = None) -> bool:
    """Leaves a span's context (the current one's) for a module that runs later. False:
    there is no context, or the file could not be written."""
    return _native.context_to_file(span, None if path is None else os.fspath(path)) >= 0
