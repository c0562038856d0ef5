#!/usr/bin/env python3
"""Unit tests of the runners, on the trees of their spans: no agent, no proxy, no network;
the spans are read from the process's own ring.

    python3 test_runners.py"""
import asyncio
import inspect
import unittest

import claude_agent
import deep_agent
import model
import openai_agent
import plan_execute
import spanring.testing
from spanring import genai


class StandIn:
    """A model in this process."""

    vendor, name = "openai", "gpt-4o"

    def ask(self, messages, answer):
        return model.Reply(answer, genai.Usage(len(messages), 7))

    async def ask_async(self, messages, answer):
        return self.ask(messages, answer)


def lines_of(spans, parent=0, depth=0):
    """Indented names; what runs at the same time is in alphabetical order."""
    for span in sorted((span for span in spans if span.parent_span_id == parent),
                       key=lambda span: (span.name, span.attributes.get("turn.index"))):
        yield "  " * depth + span.name
        yield from lines_of(spans, span.context.span_id, depth + 1)


class Runners(unittest.TestCase):
    def check(self, runner, *lines):
        with spanring.testing.sink("runners") as sink:
            answer = runner.run(StandIn(), "a question")
            if inspect.isawaitable(answer):
                answer = asyncio.run(answer)
            spans = sink.spans
        self.assertEqual(list(lines_of(spans)), list(lines))
        self.assertTrue(all(span.ended for span in spans))
        root, = (span for span in spans if not span.parent_span_id)
        self.assertEqual(root.attributes["agent.final_response"], answer)
        self.assertEqual(root.attributes["user_goal"], "a question")
        for span in spans:
            if span.name == "agent.turn":
                self.assertEqual(span.attributes["gen_ai.usage.output_tokens"], 7)

    def test_plan_execute(self):
        self.check(plan_execute, "agent.run plan_execute", "  agent.turn", "  agent.turn",
                   "    tool.call", "  agent.turn", "    tool.call", "  agent.turn")

    def test_claude_agent(self):
        self.check(claude_agent, "agent.run claude_agent", "  agent.turn", "    tool.call",
                   "  agent.turn", "    tool.call", "  agent.turn")

    def test_openai_agent(self):
        self.check(openai_agent, "agent.run openai_agent", "  agent.turn", "    tool.call",
                   "    tool.call", "    tool.call", "  agent.turn")

    def test_deep_agent(self):
        self.check(deep_agent, "agent.run deep_agent", "  agent.turn", "    agent.run deep_agent",
                   "      agent.turn", "        tool.call", "    agent.run deep_agent",
                   "      agent.turn", "        tool.call", "  agent.turn")


if __name__ == "__main__":
    unittest.main()
