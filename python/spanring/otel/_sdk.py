"""A processor for the TracerProvider of OpenTelemetry's SDK."""
from typing import Any, Dict, Optional, Tuple

import spanring
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk

from . import _current, _processors, _provider


def _warn_of_neighbours(span: Any) -> None:
    """Of an exporter beside us, where the SDK lets us see it."""
    all_of_them = getattr(span, "_span_processor", None)
    for processor in getattr(all_of_them, "_span_processors", ()):
        _processors.warn_of_exporter(processor)


class SpanProcessor(sdk.SpanProcessor):
    """Writes a span's start when it starts, and the rest when it ends.

        provider.add_span_processor(spanring.otel.SpanProcessor())

    A smaller step than spanring.otel.TracerProvider, and less is kept: of a process that
    dies, a span that is open is there with what was said at its start; what was set in
    between is known to the SDK alone, and lost."""

    def __init__(self) -> None:
        self._open: Dict[int, Tuple[spanring.Span, str, Dict[str, Any], int]] = {}
        self._tracers: Dict[Any, spanring.Tracer] = {}
        self._configured = False

    def _tracer(self, span: Any) -> spanring.Tracer:
        if not self._configured:
            _provider.configure(span.resource)
            _current.share()
            _warn_of_neighbours(span)
            self._configured = True
        scope = span.instrumentation_scope
        key = scope and (scope.name, scope.version, scope.schema_url)
        if key not in self._tracers:
            self._tracers[key] = spanring.get_tracer(
                scope.name, scope.version, scope.schema_url,
                scope.attributes) if scope else spanring.get_tracer()
        return self._tracers[key]

    def on_start(self, span: sdk.Span, parent_context: Optional[Context] = None) -> None:
        place = span.get_span_context()
        if not place.trace_flags.sampled:
            return
        attributes = dict(span.attributes or {})
        above = span.parent
        native = self._tracer(span).start_span(
            # The SDK has decided; the library's own sampler goes by its parent's flag.
            span.name, parent=above and spanring.SpanContext(
                above.trace_id, above.span_id, place.trace_flags, place.trace_state.to_header(),
                above.is_remote), root=above is None, place=place,
            kind=span.kind.value + 1, attributes=attributes, links=span.links,
            start_time=span.start_time)
        self._open[place.span_id] = native, span.name, attributes, len(span.links)

    def on_end(self, span: sdk.ReadableSpan) -> None:
        place = span.get_span_context()
        before = self._open.pop(place.span_id, None) if place else None
        if before is None:
            return
        native, name, attributes, links = before
        if span.name != name:
            native.update_name(span.name)
        nothing = object()
        native.set_attributes({key: value for key, value in (span.attributes or {}).items()
                               if attributes.get(key, nothing) is not value})
        for event in span.events:
            native.add_event(event.name, event.attributes, event.timestamp)
        for link in span.links[links:]:
            native.add_link(link.context, link.attributes)
        native.set_status(span.status.status_code.value, span.status.description)
        native.end(span.end_time)

    def shutdown(self) -> None:
        spanring.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return spanring.flush(timeout_millis / 1000)
