"""What a provider may be given to choose by: a sampler and a generator of ids, as
OpenTelemetry's SDK has them. Without either the native library chooses."""
import random
from typing import Any, NamedTuple, Optional

import spanring
from opentelemetry import trace
from opentelemetry.context import Context

from ._span import NONE


class RandomIds:
    """Python's generator of random numbers begins anew in a forked child."""

    def generate_trace_id(self) -> int:
        return random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        return random.getrandbits(64) or 1


class Chosen(NamedTuple):
    """What a span is to be."""

    place: trace.SpanContext
    parent: Optional[spanring.SpanContext]
    attributes: Any
    recorded: bool


def _above(context: Optional[Context], parent: trace.Span) -> trace.SpanContext:
    """The parent's place; without one, and without a context that asks for a root, the
    place that this process was started in."""
    place = parent.get_span_context()
    if place.is_valid or context is not None or parent is NONE:
        return place
    found = spanring.current_span().get_span_context()
    inherited = found if found.is_valid else spanring.context_from_environment()
    if inherited is None:
        return place
    return trace.SpanContext(inherited.trace_id, inherited.span_id, inherited.is_remote,
                             trace.TraceFlags(inherited.trace_flags),
                             trace.TraceState.from_header([inherited.trace_state]))


class Choices:
    def __init__(self, sampler: Any, id_generator: Any) -> None:
        self._sampler, self._ids = sampler, id_generator or RandomIds()

    def choose(self, context: Optional[Context], parent: trace.Span, name: str, kind: Any,
               attributes: Any, links: Any) -> Chosen:
        above = _above(context, parent)
        trace_id = above.trace_id if above.is_valid else self._ids.generate_trace_id()
        flags, state, recorded = above.trace_flags, above.trace_state, True
        if self._sampler:
            said = self._sampler.should_sample(
                trace.set_span_in_context(trace.NonRecordingSpan(above), context),
                trace_id, name, kind, attributes, links or ())
            recorded = said.decision.is_sampled()
            attributes, state = said.attributes, said.trace_state
            # The library's own sampler goes by its parent's flag.
            flags = trace.TraceFlags(flags & ~1 | recorded)
        place = trace.SpanContext(trace_id, self._ids.generate_span_id(), False, flags, state)
        return Chosen(place, spanring.SpanContext(
            above.trace_id, above.span_id, flags, state.to_header() if state else "",
            above.is_remote) if above.is_valid else None, attributes, recorded)
