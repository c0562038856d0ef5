#!/usr/bin/env python3
"""What the browser talks to: a request becomes an agent's work, the agent asks the
worker with the model and uses a tool.

    web_server.py URL-OF-THE-WORKER [PORT]    prints the port it listens on"""
import sys

import spanring
from traced_http import Service, ask

spanring.configure(service_name="web-server")
tracer = spanring.get_tracer("web_server")
worker = sys.argv[1]
MODEL = "stand-in-7b"


def use_tool(name, argument):
    with tracer.start_as_current_span("tool.call", attributes={
            "openinference.span.kind": "TOOL", "tool.name": name,
            "gen_ai.tool.name": name}) as span:
        result = argument.upper()
        span.set_attribute("output.value", result)
        return result


def chat(body):
    with tracer.start_as_current_span("agent", attributes={
            "openinference.span.kind": "AGENT", "input.value": body["message"]}):
        reply = ask(f"{worker}/generate", {"model": MODEL, "prompt": body["message"]})
        return {"text": use_tool("shout", reply["text"])}


Service({"/v1/chat": chat}, int(sys.argv[2]) if len(sys.argv) > 2 else 0).run()
