"""The current span, where Python does not carry it by itself.

It lives in a context variable: `await`, asyncio's tasks and asyncio.to_thread()
keep it. A new thread begins without one, so a function that goes to a thread
is wrapped, or the executor is ours:

    threading.Thread(target=spanring.context.wrap(work)).start()
    with spanring.context.ThreadPoolExecutor() as pool:
        pool.submit(work)

configure() sees to it that a plain concurrent.futures.ThreadPoolExecutor carries
the current span as well, and with it loop.run_in_executor(); see there.
"""
import concurrent.futures
import contextlib
import contextvars
import functools
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple, TypeVar, cast

from . import _native, _propagate, baggage
from ._types import SpanContext

Function = TypeVar("Function", bound=Callable[..., Any])


class _Carried:
    """A function that runs in the context it was wrapped in. Pickled, for another
    process, it takes along the place, the baggage and what configure() was told."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._context = contextvars.copy_context()

    def __call__(self, /, *arguments: Any, **named: Any) -> Any:
        # A copy of its own: a context cannot be entered twice at a time.
        return self._context.copy().run(self._function, *arguments, **named)

    def __reduce__(self) -> Tuple[Any, ...]:
        from . import _configure  # late: it imports this module
        headers: Dict[str, str] = {}
        self._context.copy().run(_propagate.inject, headers)
        return _arrive, (self._function, headers, _configure.options_given())


class _Arrived:
    """The same in the other process."""

    def __init__(self, function: Callable[..., Any], headers: Dict[str, str],
                 options: Optional[Dict[str, Any]]) -> None:
        self._function, self._headers, self._options = function, headers, options

    def __call__(self, /, *arguments: Any, **named: Any) -> Any:
        with received(self._headers):
            return self._function(*arguments, **named)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _arrive, (self._function, self._headers, self._options)


def _arrive(function: Callable[..., Any], headers: Dict[str, str],
            options: Optional[Dict[str, Any]]) -> _Arrived:
    from . import _configure  # late: it imports this module
    if options is not None:
        _configure.configure(**options)
    return _Arrived(function, headers, options)


def wrap(function: Function) -> Function:
    """The function, to run with the current span and the context variables of now:
    in another thread, and with multiprocessing in another process, which then is
    configured as this one was."""
    return cast(Function, _Carried(function))


class ThreadPoolExecutor(concurrent.futures.ThreadPoolExecutor):
    """An executor whose functions run with the context variables of who submits."""

    def submit(self, fn: Callable[..., Any], /, *args: Any,
               **kwargs: Any) -> "concurrent.futures.Future[Any]":
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


@contextlib.contextmanager
def received(carrier: Mapping[str, object]) -> Iterator[Optional[SpanContext]]:
    """A block that works for who sent these headers: their place is current and their
    baggage is ours. Without a place in them, spans in it begin a trace."""
    place = _propagate.extract(carrier)
    with baggage.attached(_propagate.extract_baggage(carrier)):
        with _native.use_span(place if place is not None else _native.INVALID_SPAN):
            yield place


# ---- plain executors ------------------------------------------------------------------

_plain_submit = concurrent.futures.ThreadPoolExecutor.submit


def _run_under(span: _native.Span, header: Optional[str], function: Callable[..., Any], /,
               *arguments: Any, **named: Any) -> Any:
    with _native.use_span(span, record_exception=False, set_status_on_exception=False):
        with baggage.attached(header):
            return function(*arguments, **named)


def _carrying_submit(self: concurrent.futures.ThreadPoolExecutor, fn: Callable[..., Any], /,
                     *args: Any, **kwargs: Any) -> "concurrent.futures.Future[Any]":
    span = _native.current_span()
    if span is _native.INVALID_SPAN:
        return _plain_submit(self, fn, *args, **kwargs)
    return _plain_submit(self, _run_under, span, baggage.header(), fn, *args, **kwargs)


def carry_into_thread_pools(carry: bool = True) -> None:
    """Whether ThreadPoolExecutor.submit() of the standard library takes the current
    span (and its baggage, no other context variable) along. configure() asks for it,
    shutdown() puts the original back."""
    plain = concurrent.futures.ThreadPoolExecutor
    if carry and plain.submit is _plain_submit:
        plain.submit = _carrying_submit  # type: ignore[method-assign,assignment]
    elif not carry and plain.submit is _carrying_submit:
        plain.submit = _plain_submit  # type: ignore[method-assign]
