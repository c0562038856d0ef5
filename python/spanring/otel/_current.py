"""One current span for both APIs.

OpenTelemetry keeps its current span in its own context; ours is in a context
variable. Once a provider of ours exists, OpenTelemetry's context is where the current
span is kept, whichever API makes it current: spans nest as the program does, and each
API sees the other's."""
import contextvars
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace

from .. import _native
from ._span import NONE, Span, place_of

_own = _native.current_variable


def _get() -> Any:
    """For our own API: a native span, something with its place, or None."""
    span = trace.get_current_span()
    if type(span) is Span:
        return span.native
    if span is NONE:
        return _native.INVALID_SPAN
    return place_of(span) or _own.get()


def _set(native: _native.Span) -> Any:
    return context_api.attach(trace.set_span_in_context(Span.around(native)))


def _reset(token: Any) -> None:
    # Not context_api.detach(): it logs when a generator is closed elsewhere.
    if isinstance(token, contextvars.Token):
        token.var.reset(token)
    else:
        context_api.detach(token)


def share() -> None:
    """May be called again; a span that is current already stays so."""
    _native.keep_current_span(_get, _set, _reset)
