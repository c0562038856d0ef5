#!/usr/bin/env python3
"""A runner that loops: the model asks for a tool, is told what it says, and asks on, until
it answers. What a tool says is in every prompt from then on.

    claude_agent.py URL-OF-THE-PROXY [QUESTION]"""
import asyncio
import json
import sys

import spanring
import tools
from model import Model, assistant, user
from spanring import genai

QUESTION = "Why is chiller 6 warm?"
# What the model says, turn by turn: a tool to be used, or the answer.
SCRIPT = [{"tool": "history", "of": "chiller 6"}, {"tool": "diagnose", "of": "chiller 6"},
          {"answer": "The condenser is fouled."}]


async def run(model, question):
    with genai.agent("claude_agent", vendor=model.vendor, model=model.name, input=question,
                     run=True, goal=question) as agent:
        messages = [user(question)]
        for index, said in enumerate(SCRIPT):
            with genai.turn(index) as turn:
                reply = await model.ask_async(messages, json.dumps(said))
                turn.respond(reply.usage)
                messages.append(assistant(reply.text))
                wish = json.loads(reply.text)
                if "answer" in wish:
                    break
                result = await asyncio.to_thread(tools.call, wish["tool"], of=wish["of"])
                messages.append(user(result))
        agent.respond(wish["answer"])
        return wish["answer"]


if __name__ == "__main__":
    spanring.configure(service_name="claude_agent")
    print(asyncio.run(run(Model(sys.argv[1], "anthropic", "claude-sonnet-4"),
                          *sys.argv[2:] or [QUESTION])))
