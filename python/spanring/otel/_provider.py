"""OpenTelemetry's TracerProvider and Tracer. The process has one resource and one ring:
several providers share them."""
import time
import types
import warnings
from typing import Any, Iterator, Mapping, Optional, Sequence, Tuple

import spanring
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.util._decorator import _agnosticcontextmanager

from .._configure import options_given
from . import _current, _processors
from ._choices import Choices
from ._span import NONE, Span, copied, place_of

class TracerProvider(trace.TracerProvider):
    """What OpenTelemetry's API is given: trace.set_tracer_provider(TracerProvider()).

    `resource` is a Resource of OpenTelemetry's SDK or a dict of attributes. Without one it
    is made of OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and what is found out about the
    process. It is the process's: only the first provider, and nothing that configured
    spanring before, can say it.

    `sampler` and `id_generator` are the SDK's. Without them OTEL_TRACES_SAMPLER counts, and
    ids are made by the library, which is much faster; with a sampler both must say yes.
    Limits of spans are those of OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and its like."""

    def __init__(self, sampler: Any = None, resource: Any = None, shutdown_on_exit: bool = True,
                 active_span_processor: Any = None, id_generator: Any = None,
                 span_limits: Any = None, *, meter_provider: Any = None) -> None:
        if span_limits is not None:
            raise TypeError("spanring.otel.TracerProvider() takes no span_limits: "
                            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and its like say them")
        del shutdown_on_exit, meter_provider  # nothing is lost at exit; no metrics are made
        self.sampler, self.id_generator = sampler, id_generator
        self.choices = Choices(sampler, id_generator) if sampler or id_generator else None
        self.processors: Tuple[Any, ...] = ()
        self.resource = configure(resource)
        _current.share()
        if active_span_processor is not None:
            self.add_span_processor(active_span_processor)

    def get_tracer(self, instrumenting_module_name: str,
                   instrumenting_library_version: Optional[str] = None,
                   schema_url: Optional[str] = None,
                   attributes: Optional[Mapping[str, Any]] = None) -> "Tracer":
        return Tracer(self, instrumenting_module_name or "", instrumenting_library_version,
                      schema_url, attributes)

    def add_span_processor(self, span_processor: Any) -> None:
        """A processor of OpenTelemetry's SDK: it may set attributes in on_start(), and
        on_end() gets the span as it became. It cannot hold a span back."""
        _processors.warn_of_exporter(span_processor)
        self.processors += (span_processor,)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Waits until the agent has logged what was said; not needed for its safety."""
        done = [processor.force_flush(timeout_millis) for processor in self.processors]
        return spanring.flush(timeout_millis / 1000) and all(one is not False for one in done)

    def shutdown(self) -> None:
        """Ends tracing in this process; the agent ends what is still open."""
        for processor in self.processors:
            processor.shutdown()
        spanring.shutdown()

    # ---- for Span --------------------------------------------------------------------

    def started(self, span: Span, context: Optional[Context]) -> None:
        for processor in self.processors:
            processor.on_start(span, parent_context=context)

    def ending(self, span: Span) -> None:
        for processor in self.processors:
            if hasattr(processor, "_on_ending"):
                processor._on_ending(span)

    def ended(self, span: Span) -> None:
        view = _processors.readable(span)
        for processor in self.processors:
            processor.on_end(view)


class Tracer(trace.Tracer):
    """Made by a provider's get_tracer()."""

    def __init__(self, provider: TracerProvider, name: str, version: Optional[str],
                 schema_url: Optional[str], attributes: Optional[Mapping[str, Any]]) -> None:
        self.provider = provider
        self.scope = types.SimpleNamespace(name=name, version=version, schema_url=schema_url,
                                           attributes=attributes)
        self._native = spanring.get_tracer(name, version, schema_url, attributes)

    def start_span(self, name: str, context: Optional[Context] = None,
                   kind: SpanKind = SpanKind.INTERNAL,
                   attributes: Optional[Mapping[str, Any]] = None,
                   links: Optional[Sequence[trace.Link]] = None,
                   start_time: Optional[int] = None, record_exception: bool = True,
                   set_status_on_exception: bool = True) -> trace.Span:
        parent = trace.get_current_span(context)
        given: Any  # a native span, or a place
        place = None
        if self.provider.choices:
            chosen = self.provider.choices.choose(context, parent, name, kind, attributes, links)
            if not chosen.recorded:
                return trace.NonRecordingSpan(chosen.place)
            place, given, attributes = chosen.place, chosen.parent, chosen.attributes
        elif type(parent) is Span:  # an abstract base class makes isinstance() dear
            given = parent.native
        else:
            given = place_of(parent)
        native = self._native.start_span(
            name, parent=given, kind=_number(kind), attributes=attributes,
            links=[link for link in links if _is_link(link)] if links else None,
            start_time=start_time,
            # A context that was given and names no span asks for a root.
            root=given is None and (context is not None or place is not None
                                    or parent is NONE), place=place)
        span = Span(native)
        if not native.is_recording():
            # It still stands for its parent, or for the trace that it would have begun.
            return span if span.get_span_context().trace_id else trace.INVALID_SPAN
        span.tracer = self
        span.name = name
        span.kind = kind
        span._parent = parent
        span.start_time = start_time or time.time_ns()
        span._attributes = copied(attributes)
        span._records_exception = record_exception
        span._sets_status = set_status_on_exception
        if self.provider.processors:
            span._recorder = _processors.Recorder(links)
            self.provider.started(span, context)
        return span

    @_agnosticcontextmanager
    def start_as_current_span(self, name: str, context: Optional[Context] = None,
                              kind: SpanKind = SpanKind.INTERNAL,
                              attributes: Optional[Mapping[str, Any]] = None,
                              links: Optional[Sequence[trace.Link]] = None,
                              start_time: Optional[int] = None, record_exception: bool = True,
                              set_status_on_exception: bool = True,
                              end_on_exit: bool = True) -> Iterator[trace.Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time,
                               record_exception, set_status_on_exception)
        with trace.use_span(span, end_on_exit, record_exception, set_status_on_exception):
            yield span


def _number(kind: object) -> int:
    """OTLP's; the API counts from 0."""
    return kind._value_ + 1 if isinstance(kind, SpanKind) else 1


def _is_link(link: Any) -> bool:
    context = link.context if link else None
    return context is not None and bool(
        context.is_valid or link.attributes or context.trace_state)


def _as_resource(resource: Optional[Mapping[str, Any]]) -> Any:
    """What reads `provider.resource` expects the SDK's."""
    try:
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        return types.SimpleNamespace(attributes=dict(resource or {}), schema_url="")
    return Resource.create({}) if resource is None else Resource(dict(resource))


def configure(resource: Any) -> Any:
    """Begins tracing with it; returns the resource that is shown."""
    given = getattr(resource, "attributes", resource)
    # What is measured by us says so; the SDK says of itself that it was.
    attributes = {name: value for name, value in (given or {}).items()
                  if not name.startswith("telemetry.sdk.")}
    before = options_given()
    if before is None:
        service = attributes.get("service.name")
        spanring.configure(service if isinstance(service, str) else None, resource=attributes,
                           schema_url=getattr(resource, "schema_url", None) or None)
    elif attributes and before["resource"] != attributes:
        warnings.warn("spanring.otel.TracerProvider: the resource is not taken: spanring was "
                      "configured before, and a process has one resource",
                      RuntimeWarning, stacklevel=3)
    return resource if given is not resource else _as_resource(resource)
