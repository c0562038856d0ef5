"""What the three modules of this directory share. They do no work: they show which
spans a real module makes, and when. Python's standard library is all they need beside
spanring.

    -c FILE   continue the run whose context is in FILE, unless TRACEPARENT is set
    -w MS     pretend to work this long in each step (default 20)
    -H STEP   hang in the step of this name, to be killed in it"""
import argparse
import contextlib
import os
import time

import spanring
from spanring import SpanKind, StatusCode

GOAL = "Plan, build and launch a platform for AI agents"
MODEL = "gemini-1.5-pro"

tracer = spanring.get_tracer("agento", "1.0.0")


class Agento:
    def __init__(self, arguments):
        self.context_file = arguments.context_file
        self.work_ms = arguments.work_ms
        self.hang_in = arguments.hang_in

    def work(self, step):
        if step == self.hang_in:
            print(f"hanging in {step}, process {os.getpid()}", flush=True)
            while True:
                time.sleep(60)
        time.sleep(self.work_ms / 1000)

    @contextlib.contextmanager
    def step(self, name):
        """A span for a step worth looking at. An exception makes it an error."""
        with tracer.start_as_current_span(
                name, attributes={"openinference.span.kind": "CHAIN"}) as span:
            yield span
            span.set_status(StatusCode.OK)

    def ask_model(self, name, prompt, answer, input_tokens, output_tokens):
        """A language model's call: what is asked is said before, the rest after."""
        with tracer.start_as_current_span(name, kind=SpanKind.CLIENT) as span:
            span.set_attributes({
                "openinference.span.kind": "LLM",
                "gen_ai.system": "gemini",
                "gen_ai.provider.name": "gcp.gemini",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": MODEL,
                "gen_ai.request.temperature": 0.1,
                "gen_ai.prompt": prompt,
            })
            self.work(name)
            span.set_attributes({
                "gen_ai.usage.input_tokens": input_tokens,
                "gen_ai.usage.output_tokens": output_tokens,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.response.content": answer,
            })
            span.set_status(StatusCode.OK)
            return answer

    @contextlib.contextmanager
    def module(self, name):
        """A later module's span: a child of what the module before left in the file,
        which this one's context replaces at its end. TRACEPARENT is found without us."""
        parent = None
        if self.context_file and not spanring.context_from_environment():
            parent = spanring.context_from_file(self.context_file)
        with tracer.start_as_current_span(
                name, parent=parent, attributes={"openinference.span.kind": "CHAIN"}) as span:
            yield span
            span.set_status(StatusCode.OK)
            spanring.context_to_file(span, self.context_file)


def begin():
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", dest="context_file")
    parser.add_argument("-w", dest="work_ms", type=int, default=20)
    parser.add_argument("-H", dest="hang_in")
    # The rest of the resource, the module's name too, is found out.
    spanring.configure(service_name="agento", service_version="1.0.0")
    return Agento(parser.parse_args())
