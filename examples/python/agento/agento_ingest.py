#!/usr/bin/env python3
"""The second module of the Agento pipeline: it drafts every step of the plan and
asks for revisions. Like the real one it does not wait for its interpreter to end."""
import os

from agento import begin

DRAFT = "A draft of the step, with its milestones."


def develop_drafts(agento):
    with agento.step("develop_drafts") as span:
        for draft in range(3):
            agento.ask_model("llm.gemini.develop_draft", f"Draft step {draft + 1}", DRAFT,
                             1200 + 10 * draft, 900)
            span.add_event("draft_developed", {"agento.draft": draft})
        agento.work("develop_drafts")
        span.set_attribute("agento.drafts", 3)


def generate_revision_requests(agento):
    with agento.step("generate_revision_requests"):
        agento.work("generate_revision_requests")
        agento.ask_model("llm.gemini.request_revisions", "What is to be revised?",
                         "Step 2 needs a budget.", 2950, 310)


def main():
    agento = begin()
    with agento.module("agento.module.ingest_plan"):
        develop_drafts(agento)
        generate_revision_requests(agento)
    os._exit(0)


main()
