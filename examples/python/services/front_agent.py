#!/usr/bin/env python3
"""The agent that people talk to. What it does not know it asks another agent.

    front_agent.py URL-OF-THE-OTHER [PORT]    prints the port it listens on"""
import sys

import spanring
from traced_http import Service, ask

spanring.configure(service_name="front-agent")
tracer = spanring.get_tracer("front_agent")
other = sys.argv[1]
asked = {"count": 0, "limit": 100}


def take_a_token():
    with tracer.start_as_current_span("rate_limiter.take") as span:
        asked["count"] += 1
        span.set_attribute("rate_limiter.tokens_left", asked["limit"] - asked["count"])
        span.set_attribute("rate_limiter.allowed", asked["count"] <= asked["limit"])


def chat(body):
    take_a_token()
    with tracer.start_as_current_span("answer", attributes={
            "openinference.span.kind": "AGENT", "input.value": body["question"]}) as span:
        answer = ask(f"{other}/ask", body)["answer"]
        span.set_attribute("output.value", answer)
        return {"answer": answer, "trace": span.trace_id_hex}


Service({"/chat": chat}, int(sys.argv[2]) if len(sys.argv) > 2 else 0).run()
