#!/usr/bin/env python3
"""The last module of the Agento pipeline: it revises the drafts and says what the
pipeline answers."""
from agento import begin

FINAL_RESPONSE = (
    '{"Title": "AI Agent Platform", "Steps": [{"Step": 1, "Title": "Design"}, '
    '{"Step": 2, "Title": "Build \\u0026 test"}, {"Step": 3, "Title": "Launch"}]}')


def main():
    agento = begin()
    with agento.module("agento.module.revise_plan") as module:
        with agento.step("further_revise_plan"):
            agento.work("further_revise_plan")
            agento.ask_model("llm.gemini.revise_step", "Revise step 2", FINAL_RESPONSE, 3400, 1280)
        # JSON in an attribute is a string like any other: any length, byte by byte.
        module.set_attribute("agent.final_response", FINAL_RESPONSE)


main()
