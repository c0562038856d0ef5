"""Where a program's spans go, by INTEROP_PROVIDER: OpenTelemetry's SDK with its exporter
(sdk), our provider (spanring), or our processor for the SDK's (processor)."""
import os

from opentelemetry import trace

RESOURCE = {"service.name": "interop program", "interop.answer": 42, "interop.texts": ["a", "b"]}


def sdk():
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    return sdk_with(BatchSpanProcessor(OTLPSpanExporter()))


def sdk_with(processor):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    provider = TracerProvider(resource=Resource.create(RESOURCE))
    provider.add_span_processor(processor)
    return provider


def processor():
    from spanring.otel import SpanProcessor
    return sdk_with(SpanProcessor())


def spanring():
    from opentelemetry.sdk.resources import Resource
    from spanring.otel import TracerProvider
    return TracerProvider(resource=Resource.create(RESOURCE))


def begin():
    provider = {"sdk": sdk, "processor": processor,
                "spanring": spanring}[os.environ["INTEROP_PROVIDER"]]()
    trace.set_tracer_provider(provider)
    return provider
