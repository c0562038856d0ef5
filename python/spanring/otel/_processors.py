"""Span processors of OpenTelemetry's SDK on spans of ours: they may set attributes when a
span starts, and see it whole when it has ended. What they return changes nothing: the
span was recorded when it was said."""
import time
import warnings
from typing import Any, Iterable, List, Mapping, Optional

from opentelemetry import trace

from ._span import Span, copied


class Recorder:
    """The events and links of one span, kept because a processor may read them."""

    def __init__(self, links: Optional[Iterable[trace.Link]]) -> None:
        self.events: List[Any] = []
        self.links = list(links or ())

    def event(self, name: str, attributes: Optional[Mapping[str, Any]],
              timestamp: Optional[int]) -> None:
        from opentelemetry.sdk.trace import Event
        self.events.append(Event(name, copied(attributes), timestamp or time.time_ns()))

    def link(self, context: trace.SpanContext,
             attributes: Optional[Mapping[str, Any]]) -> None:
        self.links.append(trace.Link(context, copied(attributes)))


def readable(span: Span) -> Any:
    """The ReadableSpan that on_end() is given."""
    from opentelemetry.sdk.trace import ReadableSpan
    return ReadableSpan(
        name=span.name, context=span.get_span_context(), parent=span.parent,
        resource=span.resource, attributes=dict(span.attributes), events=span.events,
        links=span.links, kind=span.kind, status=span.status, start_time=span.start_time,
        end_time=span.end_time, instrumentation_scope=span.instrumentation_scope)


def warn_of_exporter(processor: Any) -> None:
    """Says once that a processor sends by OTLP what the agent sends as well."""
    exporter = getattr(processor, "span_exporter", None)
    if type(exporter).__module__.startswith("opentelemetry.exporter.otlp"):
        warnings.warn(
            f"every span is exported twice: by {type(exporter).__name__} of this process, and "
            "by spanringd. Remove the processor with the exporter; spanringd's export.endpoint "
            "(or OTEL_EXPORTER_OTLP_ENDPOINT in its environment) says where spans go.",
            RuntimeWarning, stacklevel=3)
