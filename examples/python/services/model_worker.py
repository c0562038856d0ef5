#!/usr/bin/env python3
"""The process with the model in it. It answers prompts, but for those that it chokes on.

    model_worker.py [PORT]    prints the port it listens on; ends when its input ends"""
import sys

import spanring
from spanring import StatusCode
from traced_http import Service

spanring.configure(service_name="model-worker")
tracer = spanring.get_tracer("model_worker")


class ContextTooLong(Exception):
    """The prompt does not fit."""


def generate(body):
    prompt = body["prompt"]
    with tracer.start_as_current_span("generate", attributes={
            "openinference.span.kind": "LLM", "gen_ai.operation.name": "chat",
            "gen_ai.request.model": body["model"], "input.value": prompt}) as span:
        if len(prompt) > 10_000:
            raise ContextTooLong(f"{len(prompt)} characters, 10000 fit")
        answer = f"An answer to {prompt}"
        usage = {"gen_ai.usage.input_tokens": len(prompt) // 4 + 1,
                 "gen_ai.usage.output_tokens": len(answer) // 4 + 1}
        span.add_event("gen_ai.usage", usage)
        span.set_attributes(usage)
        span.set_attribute("gen_ai.response.content", answer)
        span.set_status(StatusCode.OK)
        return {"text": answer, "usage": usage}


Service({"/generate": generate}, int(sys.argv[1]) if len(sys.argv) > 1 else 0).run()
