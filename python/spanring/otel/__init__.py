"""OpenTelemetry's API on spans that survive their process.

    from opentelemetry import trace
    from spanring.otel import TracerProvider

    trace.set_tracer_provider(TracerProvider())

From then on everything that uses OpenTelemetry's API, existing instrumentations
included, records into shared memory at the moment of each call: a process that is
killed loses nothing of what it had said, and its open spans are closed by the agent.
Nothing is exported from within the process, so the exporter that was there before is
to be removed: the agent exports, and with both each span would arrive twice.

Needed is opentelemetry-api alone. Where opentelemetry-sdk is there as well, its
Resource and its span processors can be used, and `spanring.otel.SpanProcessor` is a
processor for its own provider: a smaller step, which keeps less."""
from typing import Any

try:
    import opentelemetry.trace  # noqa: F401
except ImportError as error:
    raise ImportError("spanring.otel is for programs that use OpenTelemetry's API, which is not "
                      "installed: pip install opentelemetry-api") from error

from ._provider import Tracer, TracerProvider
from ._span import Span

__all__ = ["Span", "SpanProcessor", "Tracer", "TracerProvider"]


def __getattr__(name: str) -> Any:
    # It needs the SDK, which is optional.
    if name == "SpanProcessor":
        from ._sdk import SpanProcessor
        return SpanProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
