#!/usr/bin/env python3
"""A runner whose model asks for several tools at once: they run in threads, each below
the turn that asked for it. One of them fails, and the model is told so.

    openai_agent.py URL-OF-THE-PROXY [QUESTION]"""
import concurrent.futures
import json
import sys

import spanring
import tools
from model import Model, assistant, user
from spanring import genai

QUESTION = "Which chiller needs care?"
WISHES = [{"tool": "diagnose", "of": "chiller 6"}, {"tool": "diagnose", "of": "chiller 9"},
          {"tool": "diagnose", "of": "chiller 7"}]


def use(wish):
    try:
        return tools.call(wish["tool"], of=wish["of"])
    except KeyError:
        return f"there is no {wish['of']}"


def run(model, question):
    with genai.agent("openai_agent", vendor=model.vendor, model=model.name, input=question,
                     run=True, goal=question) as agent:
        messages = [user(question)]
        with genai.turn(0) as turn:
            reply = model.ask(messages, json.dumps(WISHES))
            turn.respond(reply.usage)
            messages.append(assistant(reply.text))
            # A pool of the standard library takes the current span along.
            with concurrent.futures.ThreadPoolExecutor() as pool:
                messages += [user(result) for result in pool.map(use, json.loads(reply.text))]
        with genai.turn(1) as turn:
            reply = model.ask(messages, "Chiller 6: the condenser is fouled.")
            turn.respond(reply.usage)
        agent.respond(reply.text)
        return reply.text


if __name__ == "__main__":
    spanring.configure(service_name="openai_agent")
    print(run(Model(sys.argv[1], "openai", "gpt-4o"), *sys.argv[2:] or [QUESTION]))
