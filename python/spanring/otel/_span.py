"""OpenTelemetry's Span on a native one. Every call is passed on at once; what is kept
here beside it is what instrumentations and processors read back."""
import time
import types
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from .. import _native
from .._exceptions import describe


# What OpenTelemetry's context holds where our own API has made the span current that is
# none: what is started below it begins a trace.
NONE = trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)


def context_of(native: _native.Span) -> trace.SpanContext:
    """The place of a native span, as OpenTelemetry says it."""
    place = native.get_span_context()
    state = trace.TraceState.from_header([place.trace_state]) if place.trace_state else None
    return trace.SpanContext(place.trace_id, place.span_id, place.is_remote,
                             trace.TraceFlags(place.trace_flags), state)


def place_of(span: trace.Span) -> Any:
    """What a native span may be started below: the native span behind one of ours (or
    behind what an instrumentation has wrapped around it), the place of another's, or None."""
    if span is trace.INVALID_SPAN:
        return None
    if isinstance(span, Span):
        return span.native
    place = span.get_span_context()
    return place if place.is_valid else None


def copied(attributes: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """A dict of them; what is no mapping is refused, and counted, by the native call."""
    if not attributes:
        return {}
    try:
        return dict(attributes)
    except (TypeError, ValueError):
        return {}


class Span(trace.Span):
    """Made by a tracer. `native` is the spanring.Span behind it."""

    # What a span says that was made by the native API, whose name nobody keeps.
    name = ""
    kind = SpanKind.INTERNAL
    start_time: Optional[int] = None
    end_time: Optional[int] = None
    status = Status()
    tracer: Any = None
    _context: Optional[trace.SpanContext] = None
    _parent: trace.Span = trace.INVALID_SPAN
    _attributes: Optional[Dict[str, Any]] = None
    _recorder: Any = None
    _records_exception = True
    _sets_status = True

    def __init__(self, native: _native.Span) -> None:
        self.native = native

    @classmethod
    def around(cls, native: _native.Span) -> trace.Span:
        """For a span of the native API, or for the place of one that is not ours."""
        if native.is_recording():
            return cls(native)
        if native is _native.INVALID_SPAN:
            return NONE
        return trace.NonRecordingSpan(context_of(native))

    # ---- the API ---------------------------------------------------------------------

    def get_span_context(self) -> trace.SpanContext:
        if self._context is None:
            self._context = context_of(self.native)
        return self._context

    def is_recording(self) -> bool:
        return self.native.is_recording()

    def set_attribute(self, key: str, value: Any) -> None:
        self.native.set_attribute(key, value)
        if self._attributes is not None:
            try:
                self._attributes[key] = value
            except TypeError:
                pass  # a key that is none

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.native.set_attributes(attributes)
        if self._attributes is not None:
            self._attributes.update(copied(attributes))

    def add_event(self, name: str, attributes: Optional[Mapping[str, Any]] = None,
                  timestamp: Optional[int] = None) -> None:
        self.native.add_event(name, attributes, timestamp)
        if self._recorder:
            self._recorder.event(name, attributes, timestamp)

    def add_link(self, context: trace.SpanContext,
                 attributes: Optional[Mapping[str, Any]] = None) -> None:
        if context is None or not (context.is_valid or attributes or context.trace_state):
            return
        self.native.add_link(context, attributes)
        if self._recorder:
            self._recorder.link(context, attributes)

    def update_name(self, name: str) -> None:
        self.native.update_name(name)
        self.name = name

    def set_status(self, status: Union[Status, StatusCode],
                   description: Optional[str] = None) -> None:
        if isinstance(status, StatusCode):
            status = Status(status, description)
        if not isinstance(status, Status) or status.status_code is StatusCode.UNSET:
            return
        if self.status.status_code is StatusCode.OK:
            return
        self.native.set_status(status.status_code.value, status.description)
        self.status = status

    def record_exception(self, exception: BaseException,
                         attributes: Optional[Mapping[str, Any]] = None,
                         timestamp: Optional[int] = None, escaped: bool = False) -> None:
        kind = type(exception)
        name = kind.__qualname__
        if kind.__module__ and kind.__module__ != "builtins":
            name = f"{kind.__module__}.{name}"
        _, message, stack = describe(exception)
        self.add_event("exception", {
            "exception.type": name, "exception.message": message, "exception.stacktrace": stack,
            "exception.escaped": str(escaped), **copied(attributes)}, timestamp)

    def end(self, end_time: Optional[int] = None) -> None:
        native = self.native
        if not native.is_recording():
            return
        if self._recorder:
            self.tracer.provider.ending(self)
        native.end(end_time)
        self.end_time = time.time_ns() if end_time is None else end_time
        if self._recorder:
            self.tracer.provider.ended(self)

    def __exit__(self, kind: Any, exception: Optional[BaseException], stack: Any) -> None:
        if exception is not None and self.is_recording():
            if self._records_exception:
                self.record_exception(exception, escaped=True)
            if self._sets_status:
                self.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}")
        self.end()

    # ---- what is read back -----------------------------------------------------------

    @property
    def context(self) -> trace.SpanContext:
        return self.get_span_context()

    @property
    def parent(self) -> Optional[trace.SpanContext]:
        place = self._parent.get_span_context()
        return place if place.is_valid else None

    @property
    def attributes(self) -> Mapping[str, Any]:
        return types.MappingProxyType(self._attributes or {})

    @property
    def events(self) -> Tuple[Any, ...]:
        return tuple(self._recorder.events) if self._recorder else ()

    @property
    def links(self) -> Tuple[trace.Link, ...]:
        return tuple(self._recorder.links) if self._recorder else ()

    @property
    def resource(self) -> Any:
        return self.tracer.provider.resource if self.tracer else None

    @property
    def instrumentation_scope(self) -> Any:
        return self.tracer.scope if self.tracer else None

    def __repr__(self) -> str:
        return f"<spanring.otel.Span {self.name!r} {self.native!r}>"
