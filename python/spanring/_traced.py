"""A span for each call of a function."""
import functools
import inspect
from typing import Any, Callable, Collection, Dict, Mapping, Optional, Tuple, TypeVar, Union
from typing import cast, overload

from . import _native
from ._tracers import get_tracer
from ._types import SpanKind

Function = TypeVar("Function", bound=Callable[..., Any])

# For the arguments of one call, its block.
Enter = Callable[[Tuple[Any, ...], Dict[str, Any]], _native.CurrentSpan]


def _default_name(function: Callable[..., Any]) -> str:
    """`module.function`, with the class in between for a method."""
    module = getattr(function, "__module__", None) or "__main__"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}.{name.replace('<locals>.', '')}"


# ---- what a call becomes ----------------------------------------------------------

def _wrap_plain(function: Callable[..., Any], enter: Enter) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        with enter(arguments, named):
            return function(*arguments, **named)
    return wrapper


def _wrap_coroutine(function: Callable[..., Any], enter: Enter) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*arguments: Any, **named: Any) -> Any:
        with enter(arguments, named):
            return await function(*arguments, **named)
    return wrapper


def _within(span: _native.Span) -> _native.CurrentSpan:
    return _native.use_span(span, record_exception=False, set_status_on_exception=False)


def _start(enter: Enter, arguments: Tuple[Any, ...], named: Dict[str, Any]) -> _native.Span:
    """The span alone. A generator's is current while it runs, not while it waits for
    its caller, whose spans are not its children."""
    return enter(arguments, named).start()


def _wrap_generator(function: Callable[..., Any], enter: Enter) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        span = _start(enter, arguments, named)
        with span:
            generator = function(*arguments, **named)
            step, value = generator.send, None
            while True:
                try:
                    with _within(span):
                        item = step(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    value = yield item
                    step = generator.send
                except GeneratorExit:
                    with _within(span):
                        generator.close()
                    raise
                except BaseException as thrown:  # pylint: disable=broad-except
                    step, value = generator.throw, thrown
    return wrapper


def _wrap_async_generator(function: Callable[..., Any], enter: Enter) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*arguments: Any, **named: Any) -> Any:
        span = _start(enter, arguments, named)
        with span:
            generator = function(*arguments, **named)
            step, value = generator.asend, None
            while True:
                try:
                    with _within(span):
                        item = await step(value)
                except StopAsyncIteration:
                    return
                try:
                    value = yield item
                    step = generator.asend
                except GeneratorExit:
                    with _within(span):
                        await generator.aclose()
                    raise
                except BaseException as thrown:  # pylint: disable=broad-except
                    step, value = generator.athrow, thrown
    return wrapper


def _wrap(function: Callable[..., Any], enter: Enter) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator(function, enter)
    if inspect.isgeneratorfunction(function):
        return _wrap_generator(function, enter)
    if inspect.iscoroutinefunction(function):
        return _wrap_coroutine(function, enter)
    return _wrap_plain(function, enter)


def decorate(current: _native.CurrentSpan, function: Callable[..., Any]) -> Callable[..., Any]:
    """For `@tracer.start_as_current_span("name")`: a span at each call."""
    return _wrap(function, lambda _arguments, _named: current.again())


# ---- the decorator ------------------------------------------------------------------

class _Arguments:
    """The arguments of a call as attributes `argument.NAME`, those that were asked for."""

    def __init__(self, function: Callable[..., Any],
                 wanted: Union[bool, Collection[str]]) -> None:
        self._signature = inspect.signature(function)
        self._names = [name for name in self._signature.parameters
                       if (name not in ("self", "cls") if wanted is True
                           else name in wanted)]  # type: ignore[operator]

    def of(self, arguments: Tuple[Any, ...], named: Dict[str, Any]) -> Dict[str, Any]:
        try:
            bound = self._signature.bind(*arguments, **named)
        except TypeError:
            return {}  # the call itself will say so
        bound.apply_defaults()
        return {f"argument.{name}": bound.arguments[name] for name in self._names}


def _entering(function: Callable[..., Any], name: Optional[str], tracer: _native.Tracer,
              kind: SpanKind, attributes: Optional[Mapping[str, object]],
              capture: Union[bool, Collection[str]]) -> Enter:
    title = name or _default_name(function)
    if not capture:
        pattern = tracer.start_as_current_span(title, kind=kind, attributes=attributes)
        return lambda _arguments, _named: pattern.again()
    captured = _Arguments(function, capture)

    def enter(arguments: Tuple[Any, ...], named: Dict[str, Any]) -> _native.CurrentSpan:
        every = {**(attributes or {}), **captured.of(arguments, named)}
        return tracer.start_as_current_span(title, kind=kind, attributes=every)
    return enter


@overload
def traced(name: Function) -> Function: ...


@overload
def traced(name: Optional[str] = None, *, kind: SpanKind = SpanKind.INTERNAL,
           attributes: Optional[Mapping[str, object]] = None,
           capture_arguments: Union[bool, Collection[str]] = False,
           tracer: Optional[_native.Tracer] = None) -> Callable[[Function], Function]: ...


def traced(name: Any = None, *, kind: SpanKind = SpanKind.INTERNAL,
           attributes: Optional[Mapping[str, object]] = None,
           capture_arguments: Union[bool, Collection[str]] = False,
           tracer: Optional[_native.Tracer] = None) -> Any:
    """Makes a span of each call of a function, `async` function, generator or `async`
    generator; its name is `module.function` unless one is given.

        @traced
        def plan(goal): ...

        @traced("develop_drafts", attributes={"draft.count": 3})
        async def develop(plan): ...

    An exception that leaves the function is recorded with its stack trace, makes the
    status ERROR, and goes on as it was. Arguments are kept when asked for, all
    (`capture_arguments=True`) or some (`capture_arguments=("goal",)`), as
    `argument.NAME`. It works before configure() was called: a call is recorded when
    tracing is on at its time."""
    def decorator(function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(decorator(function.__func__))
        scope = tracer or get_tracer(getattr(function, "__module__", None))
        return _wrap(function, _entering(function, name if isinstance(name, str) else None, scope,
                                         kind, attributes, capture_arguments))
    if callable(name) or isinstance(name, (staticmethod, classmethod)):
        return decorator(name)
    return cast(Any, decorator)
