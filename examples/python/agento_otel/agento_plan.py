#!/usr/bin/env python3
"""The first module of the Agento pipeline: it turns the user's goal into the
structure of a plan. It begins the run, unless `spanring run` did."""
import os

from opentelemetry.trace import StatusCode
from tracing import GOAL, begin

PLAN = '{"Title": "AI Agent Platform", "Overall_Summary": "..."}'


def main():
    agento = begin()
    # What an earlier run left in the context file must not be joined.
    context = agento.context() if "TRACEPARENT" in os.environ else None
    with agento.tracer.start_as_current_span("agento.pipeline", context, attributes={
            "openinference.span.kind": "AGENT", "user_goal": GOAL}) as pipeline:
        # Now, not at the end: should this module die, the next one must not find the
        # context of an earlier run.
        agento.leave_context()
        with agento.step("generate_plan_structure"):
            agento.work("generate_plan_structure")
            agento.ask_model("llm.gemini.generate_plan", f"Make a plan: {GOAL}", PLAN, 415, 850)
        pipeline.set_status(StatusCode.OK)


main()
