"""Where a program's spans go, by INTEROP_PROVIDER: OpenTelemetry's SDK with its exporter
(sdk), our provider (spanring), or our processor for the SDK's (processor)."""
import os

from opentelemetry import trace

RESOURCE = {"service.name": "interop program", "interop.answer": 42, "interop.texts": ["a", "b"]}


def sdk(resource):
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    return sdk_with(resource, BatchSpanProcessor(OTLPSpanExporter()))


def sdk_with(resource, processor):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    provider = TracerProvider(resource=Resource.create(resource))
    provider.add_span_processor(processor)
    return provider


def processor(resource):
    from spanring.otel import SpanProcessor
    return sdk_with(resource, SpanProcessor())


def spanring(resource):
    from opentelemetry.sdk.resources import Resource
    from spanring.otel import TracerProvider
    return TracerProvider(resource=Resource.create(resource))


def begin():
    return begin_with(RESOURCE)


def begin_with(resource):
    provider = {"sdk": sdk, "processor": processor,
                "spanring": spanring}[os.environ["INTEROP_PROVIDER"]](resource)
    trace.set_tracer_provider(provider)
    return provider
