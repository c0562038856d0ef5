"""The rest of what spanring.otel.TracerProvider has: processors of the SDK, a warning of
exporters, arguments that it does not take, use without the SDK.

    python_processors.py processors|api-alone|not-sampled|differences|sink"""
import json
import sys
import warnings

if sys.argv[1] == "api-alone":
    sys.modules["opentelemetry.sdk"] = None  # as if it were not installed

from opentelemetry import context as context_api  # noqa: E402
from opentelemetry import propagate, trace  # noqa: E402
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402
import spanring  # noqa: E402
from spanring.otel import TracerProvider  # noqa: E402


def refused(function, *words):
    try:
        function()
    except (TypeError, ImportError) as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError("it was taken")


def api_alone():
    trace.set_tracer_provider(TracerProvider(resource={"service.name": "api alone"}))
    with trace.get_tracer("t").start_as_current_span("no SDK") as span:
        span.set_attribute("a", [1, 2])
        assert trace.get_tracer_provider().resource.attributes["service.name"] == "api alone"

    def import_processor():
        from spanring.otel import SpanProcessor
        return SpanProcessor
    refused(import_processor, "opentelemetry.sdk")


def processors():
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, SpanProcessor
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.trace.export import (BatchSpanProcessor, ConsoleSpanExporter,
                                                SimpleSpanProcessor)
    from spanring.otel import SpanProcessor as OurProcessor

    class Marks(SpanProcessor):
        """As those that copy baggage do."""

        def on_start(self, span, parent_context=None):
            span.set_attribute("marked", True)

        def on_end(self, span):
            ended.append(span)

    ended, lines = [], []
    refused(lambda: TracerProvider(span_limits=SpanLimits()), "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")
    refused(lambda: TracerProvider(wrong=1), "wrong")
    provider = TracerProvider(resource=Resource.create({"service.name": "processors"}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TracerProvider(resource={"service.name": "another"})
        assert "one resource" in str(caught.pop().message)
        exporter = OTLPSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(exporter))
        assert "exported twice" in str(caught.pop().message)
        assert not caught
        sdk = SdkProvider()
        sdk.add_span_processor(BatchSpanProcessor(exporter))
        sdk.add_span_processor(OurProcessor())
        sdk.get_tracer("t").start_span("never ends")
        assert "exported twice" in str(caught.pop().message)
        sdk.get_tracer("t").start_span("neither does this one")
        assert "one resource" in str(caught.pop().message) and not caught
    provider.processors = ()
    exporter.shutdown()
    provider.add_span_processor(Marks())
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(
        out=sys.stderr, formatter=lambda span: lines.append(json.loads(span.to_json())) or "")))
    tracer = provider.get_tracer("t", "1")
    link = trace.Link(trace.SpanContext(1, 2, False))
    with tracer.start_as_current_span("seen", kind=SpanKind.CLIENT, attributes={"a": 1},
                                      links=[link]) as span:
        span.add_event("e", {"n": 1}, 5)
        span.add_link(link.context, {"later": True})
        span.set_status(StatusCode.ERROR, "why")
        span.update_name("seen and renamed")
        assert dict(span.attributes) == {"a": 1, "marked": True} and span.name
        tracer.start_span("child").end()
    child, seen = ended
    assert (seen.name, seen.kind, dict(seen.attributes)) == (
        "seen and renamed", SpanKind.CLIENT, {"a": 1, "marked": True})
    assert [(one.name, dict(one.attributes), one.timestamp) for one in seen.events] == [
        ("e", {"n": 1}, 5)]
    assert [dict(one.attributes or {}) for one in seen.links] == [{}, {"later": True}]
    assert (seen.status.status_code, seen.status.description) == (StatusCode.ERROR, "why")
    assert seen.end_time >= seen.start_time and seen.parent is None
    assert child.parent.span_id == seen.context.span_id
    assert seen.resource.attributes["service.name"] == "processors"
    assert (seen.instrumentation_scope.name, seen.instrumentation_scope.version) == ("t", "1")
    assert [line["name"] for line in lines] == ["child", "seen and renamed"]
    assert provider.force_flush(10_000)
    provider.shutdown()
    with tracer.start_as_current_span("after the end") as span:
        assert not span.is_recording()


def not_sampled():
    """Nothing is recorded, and the decision is passed on."""
    provider = TracerProvider()
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer") as outer:
        with tracer.start_as_current_span("inner") as inner:
            inner.set_attribute("a", 1)
            place = inner.get_span_context()
            assert place.trace_id == outer.get_span_context().trace_id
            assert place.is_valid and not place.trace_flags.sampled
            assert not inner.is_recording() and not inner.attributes
            carrier = {}
            propagate.inject(carrier)
            assert carrier["traceparent"].endswith(("-00", "-02")), carrier


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no words")


def differences():
    """What docs/otel.md says is not as with the SDK."""
    tracer = TracerProvider(resource={"service.name": "differences"}).get_tracer("t")
    with tracer.start_as_current_span("joins") as span:
        for number in range(130):
            span.set_attribute(f"key {number}", number)
    with tracer.start_as_current_span("stays apart", context_api.Context()) as span:
        span.set_attribute("none", None)
        span.set_attribute("some", 1)
    # A request that brings no trace begins one, by either API.
    with spanring.context.received({}):
        tracer.start_span("begins").end()
        spanring.get_tracer("t").start_span("begins natively").end()
    # What makes no sense raises nothing.
    with tracer.start_as_current_span("nonsense", kind=None, attributes=5) as span:
        span.set_attributes(7)
        span.set_status("bad")
        span.add_event("e", attributes=3)
        span.record_exception(Unspeakable(), attributes=4)
        span.add_link(None)


def sink():
    """Without an agent: a unit test of who uses OpenTelemetry's API."""
    import spanring.testing
    with spanring.testing.sink("unit test") as seen:
        tracer = TracerProvider().get_tracer("t")
        with tracer.start_as_current_span("call") as span:
            span.set_attribute("a", 1)
        assert seen.find("call").attributes == {"a": 1}


{"processors": processors, "sink": sink, "api-alone": api_alone, "not-sampled": not_sampled,
 "differences": differences}[sys.argv[1]]()
