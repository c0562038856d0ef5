"""Traces that survive the process that wrote them.

    import spanring

    spanring.configure(service_name="agento")
    tracer = spanring.get_tracer(__name__)

    with tracer.start_as_current_span("generate_plan_structure") as span:
        span.set_attribute("gen_ai.usage.input_tokens", 912)

Every call writes what it was told into shared memory before it returns; an
agent, spanringd, picks it up from there. Nothing waits in the process: kill it at
any moment and what was said is kept. Without an agent every call does nothing,
and `state()` says why. Nothing that records ever raises.

The names are those of OpenTelemetry's Python API where it has one. Times are
whole nanoseconds since the Unix epoch.
"""
from . import _hooks, baggage, context, genai
from ._configure import State, configure, flush, shutdown, state
from ._native import INVALID_SPAN, CurrentSpan, Span, Tracer, current_span, use_span
from ._native import version as __version__
from ._propagate import (child_environment, context_from_environment, context_from_file,
                         context_to_file, extract, inject, parse_traceparent, traceparent)
from ._runs import Run, run, run_begin, run_end
from ._traced import traced
from ._tracers import get_tracer
from ._types import Link, SpanContext, SpanKind, StatusCode

__all__ = [
    "INVALID_SPAN", "CurrentSpan", "Link", "Run", "Span", "SpanContext", "SpanKind", "State",
    "StatusCode", "Tracer", "__version__", "baggage", "child_environment", "configure",
    "context", "context_from_environment", "context_from_file", "context_to_file",
    "current_span", "extract", "flush", "genai", "get_tracer", "inject", "parse_traceparent", "run",
    "run_begin", "run_end", "shutdown", "state", "traced", "traceparent", "use_span",
]
