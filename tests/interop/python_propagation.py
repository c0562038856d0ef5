"""The official Python SDK's propagators, as OTEL_PROPAGATORS names them. One JSON
line in, one out: {"extract": headers} is answered by what they say, {"inject": ...}
by the headers of such a context."""
import json
import sys

from opentelemetry import baggage, propagate, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags


def extract(headers):
    context = propagate.extract(headers)
    span = trace.get_current_span(context).get_span_context()
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}",
            "sampled": span.trace_flags.sampled, "state": span.trace_state.to_header(),
            "baggage": dict(baggage.get_all(context))}


def inject(wanted):
    span = SpanContext(int(wanted["trace_id"], 16), int(wanted["span_id"], 16), False,
                       TraceFlags(int(wanted["sampled"])))
    context = trace.set_span_in_context(NonRecordingSpan(span))
    for name, value in wanted["baggage"].items():
        context = baggage.set_baggage(name, value, context)
    headers = {}
    propagate.inject(headers, context)
    return headers


for line in sys.stdin:
    asked = json.loads(line)
    answer = extract(asked["extract"]) if "extract" in asked else inject(asked["inject"])
    print(json.dumps(answer), flush=True)
