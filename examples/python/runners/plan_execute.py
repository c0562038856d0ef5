#!/usr/bin/env python3
"""A runner that makes a plan first: one turn plans, then each step is a turn with its
tool, then one turn sums up.

    plan_execute.py URL-OF-THE-PROXY [QUESTION]"""
import json
import sys

import spanring
import tools
from model import Model, assistant, user
from spanring import genai

QUESTION = "Why is chiller 6 warm?"
PLAN = [{"tool": "sensors", "arguments": {}},
        {"tool": "diagnose", "arguments": {"of": "chiller 6"}}]


def run(model, question):
    with genai.agent("plan_execute", vendor=model.vendor, model=model.name, input=question,
                     run=True, goal=question) as agent:
        messages = [user(question)]
        with genai.turn(0) as turn:
            reply = model.ask(messages, json.dumps(PLAN))
            turn.respond(reply.usage)
        for index, step in enumerate(json.loads(reply.text), 1):
            with genai.turn(index) as turn:
                result = tools.call(step["tool"], **step["arguments"])
                messages.append(user(f"{step['tool']} says {result}"))
                reply = model.ask(messages, "Noted.")
                messages.append(assistant(reply.text))
                turn.respond(reply.usage)
        with genai.turn(len(PLAN) + 1) as turn:
            reply = model.ask(messages, "The condenser is fouled.")
            turn.respond(reply.usage)
        agent.respond(reply.text)
        return reply.text


if __name__ == "__main__":
    spanring.configure(service_name="plan_execute")
    print(run(Model(sys.argv[1], "openai", "gpt-4o"), *sys.argv[2:] or [QUESTION]))
