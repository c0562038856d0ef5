"""A provider that is given a sampler, or a generator of ids.

    python_choices.py ratio|always|parent|marks|ids"""
import sys

from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (ALWAYS_ON, Decision, ParentBased, Sampler,
                                              SamplingResult, TraceIdRatioBased)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from python_provider import RESOURCE, begin_with

# In the half that a ratio of 0.5 takes, and in the other.
TAKEN, LEFT = 0x0af7651916cd43dd0448eb211c80319c, 0x0af7651916cd43dd8448eb211c80319c


class Marks(Sampler):
    """Adds attributes, changes the tracestate, leaves out by name."""

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None,
                      links=None, trace_state=None):
        parent = trace.get_current_span(parent_context).get_span_context()
        if "left out" in name:
            return SamplingResult(Decision.DROP)
        state = parent.trace_state
        if parent.is_valid:  # of a root it is not kept (docs/otel.md)
            state = state.update("marked", "1")
        return SamplingResult(Decision.RECORD_AND_SAMPLE,
                              {**(attributes or {}), "marked": name}, state)

    def get_description(self):
        return "Marks"


class Counted(IdGenerator):
    last = 0x1000

    def generate_trace_id(self):
        return TAKEN

    def generate_span_id(self):
        Counted.last += 1
        return Counted.last


CHOICES = {"ratio": {"sampler": TraceIdRatioBased(0.5)}, "always": {"sampler": ALWAYS_ON},
           "parent": {"sampler": ParentBased(TraceIdRatioBased(0))},
           "marks": {"sampler": Marks()}, "ids": {"id_generator": Counted()}}


def below(trace_id, flags):
    return trace.set_span_in_context(NonRecordingSpan(SpanContext(
        trace_id, 0xb7ad6b7169203331, True, TraceFlags(flags))))


provider = begin_with(RESOURCE, **CHOICES[sys.argv[1]])
tracer = provider.get_tracer("choices")
for name, context in (("root", context_api.Context()),
                      ("taken, sampled", below(TAKEN, 1)), ("taken, not sampled", below(TAKEN, 0)),
                      ("left, sampled", below(LEFT, 1)), ("left, not sampled", below(LEFT, 0)),
                      ("left out", context_api.Context())):
    if sys.argv[1] == "ratio" and name in ("root", "left out"):
        continue  # a matter of luck
    with tracer.start_as_current_span(name, context, attributes={"given": True}) as span:
        with tracer.start_as_current_span(f"below {name}"):
            carrier = {}
            propagate.inject(carrier)
            assert span.is_recording() == carrier["traceparent"].endswith(("-01", "-03"))
provider.force_flush()
provider.shutdown()
