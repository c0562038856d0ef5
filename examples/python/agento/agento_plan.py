#!/usr/bin/env python3
"""The first module of the Agento pipeline: it turns the user's goal into the
structure of a plan. It begins the run, unless `spanring run` did."""
import os

import spanring
from agento import GOAL, begin
from spanring import StatusCode

PLAN = '{"Title": "AI Agent Platform", "Overall_Summary": "..."}'


def main():
    agento = begin()
    # A new trace, whatever an earlier run left in the file, which this one replaces.
    # With the goal, the span is an agent's and has it as user_goal.
    pipeline = spanring.run_begin(
        "agento.pipeline", GOAL, join=True, context_file=agento.context_file
        or os.environ.get("SPANRING_CONTEXT_FILE", "trace.context"))
    # The run goes on in the next modules, so only the span ends here:
    # spanring.run_end() would say that the run is complete.
    with spanring.use_span(pipeline, end_on_exit=True):
        with agento.step("generate_plan_structure"):
            agento.work("generate_plan_structure")
            agento.ask_model("llm.gemini.generate_plan", f"Make a plan: {GOAL}", PLAN, 415, 850)
        pipeline.set_status(StatusCode.OK)


main()
