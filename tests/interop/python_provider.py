"""Where a program's spans go, by INTEROP_PROVIDER: OpenTelemetry's SDK with its exporter
(sdk), our provider (spanring), or our processor for the SDK's (processor)."""
import os

from opentelemetry import trace

RESOURCE = {"service.name": "interop program", "interop.answer": 42, "interop.texts": ["a", "b"]}


def sdk(resource, **more):
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    return sdk_with(resource, BatchSpanProcessor(OTLPSpanExporter()), **more)


def sdk_with(resource, processor, **more):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    provider = TracerProvider(resource=Resource.create(resource), **more)
    provider.add_span_processor(processor)
    return provider


def processor(resource, **more):
    from spanring.otel import SpanProcessor
    return sdk_with(resource, SpanProcessor(), **more)


def spanring(resource, **more):
    from opentelemetry.sdk.resources import Resource
    from spanring.otel import TracerProvider
    return TracerProvider(resource=Resource.create(resource), **more)


def begin():
    return begin_with(RESOURCE)


def begin_with(resource, **more):
    provider = {"sdk": sdk, "processor": processor,
                "spanring": spanring}[os.environ["INTEROP_PROVIDER"]](resource, **more)
    trace.set_tracer_provider(provider)
    return provider
