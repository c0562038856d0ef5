#!/usr/bin/env python3
"""The agent that knows: it answers questions of other agents and remembers its answers.

    back_agent.py [PORT]    prints the port it listens on; ends when its input ends"""
import sys

import spanring
from traced_http import Service

spanring.configure(service_name="back-agent")
tracer = spanring.get_tracer("back_agent")
remembered = {}


def look_up(question):
    """The answer, and the place of the span that found it, if that was earlier."""
    with tracer.start_as_current_span("cache.get") as span:
        found = remembered.get(question)
        span.set_attribute("cache.hit", found is not None)
        return found


def think(question):
    with tracer.start_as_current_span("think", attributes={
            "openinference.span.kind": "AGENT", "input.value": question}) as span:
        answer = f"{question.rstrip('?')}: yes, in three steps."
        span.set_attribute("output.value", answer)
        remembered[question] = answer, span.get_span_context()
        return answer


def ask(body):
    question = body["question"]
    found = look_up(question)
    if not found:
        return {"answer": think(question)}
    answer, place = found
    # That thought belongs to another trace; the link leads there.
    spanring.current_span().add_link(place, {"reason": "remembered"})
    return {"answer": answer}


Service({"/ask": ask}, int(sys.argv[1]) if len(sys.argv) > 1 else 0).run()
