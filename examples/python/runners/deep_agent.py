#!/usr/bin/env python3
"""A runner with agents below it, which work at the same time: each is a run of its own
below the turn that sent it, with its own turns.

    deep_agent.py URL-OF-THE-PROXY [QUESTION]"""
import asyncio
import json
import sys

import spanring
import tools
from model import Model, user
from spanring import genai

QUESTION = "Compare the chillers."


async def look_at(model, chiller):
    with genai.agent("deep_agent", vendor=model.vendor, model=model.name,
                     agent=f"expert for {chiller}", input=chiller) as agent:
        with genai.turn(0) as turn:
            result = await asyncio.to_thread(tools.call, "diagnose", of=chiller)
            reply = await model.ask_async([user(result)], f"{chiller}: {result}")
            turn.respond(reply.usage)
        agent.respond(reply.text)
        return reply.text


async def run(model, question):
    with genai.agent("deep_agent", vendor=model.vendor, model=model.name, agent="head",
                     input=question, run=True, goal=question) as agent:
        with genai.turn(0) as turn:
            reply = await model.ask_async([user(question)], json.dumps(sorted(tools.SENSORS)))
            turn.respond(reply.usage)
            found = await asyncio.gather(*(look_at(model, chiller)
                                           for chiller in json.loads(reply.text)))
        with genai.turn(1) as turn:
            reply = await model.ask_async([user(one) for one in found], "Chiller 6 needs care.")
            turn.respond(reply.usage)
        agent.respond(reply.text)
        return reply.text


if __name__ == "__main__":
    spanring.configure(service_name="deep_agent")
    print(asyncio.run(run(Model(sys.argv[1], "anthropic", "claude-sonnet-4"),
                          *sys.argv[2:] or [QUESTION])))
