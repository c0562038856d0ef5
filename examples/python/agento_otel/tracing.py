"""What the three modules of this directory share. They do no work: they show which
spans a real module makes, with OpenTelemetry's API alone.

    -c FILE   the context file, trace.context unless told otherwise
    -w MS     pretend to work this long in each step (default 20)
    -H STEP   hang in the step of this name, to be killed in it

Where the spans go is chosen here and nowhere else: AGENTO_PROVIDER=sdk is
OpenTelemetry's SDK with its exporter, unchanged; AGENTO_PROVIDER=spanring is the
provider whose spans survive the process. The modules are the same."""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
import time
import uuid

from opentelemetry import propagate, trace

GOAL = "Plan, build and launch a platform for AI agents"
MODEL = "gemini-1.5-pro"


class Agento:
    def __init__(self, arguments, provider):
        self.provider = provider
        self.context_file = pathlib.Path(arguments.context_file)
        self.work_ms = arguments.work_ms
        self.hang_in = arguments.hang_in
        self.tracer = trace.get_tracer("agento", "1.0.0")

    def work(self, step):
        if step == self.hang_in:
            print(f"hanging in {step}, process {os.getpid()}", flush=True)
            while True:
                time.sleep(60)
        time.sleep(self.work_ms / 1000)

    @contextlib.contextmanager
    def step(self, name, kind="CHAIN"):
        """A span for a step worth looking at; an exception makes it an error."""
        with self.tracer.start_as_current_span(
                name, attributes={"openinference.span.kind": kind}) as span:
            yield span
            span.set_status(trace.StatusCode.OK)

    def ask_model(self, name, prompt, answer, input_tokens, output_tokens):
        """A language model's call: what is asked is said before, the rest after."""
        with self.tracer.start_as_current_span(name, kind=trace.SpanKind.CLIENT) as span:
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
            span.set_status(trace.StatusCode.OK)
            return answer

    def context(self):
        """The context to continue: TRACEPARENT, else the file; a broken one is none."""
        carrier = {name.lower(): os.environ[name] for name in ("TRACEPARENT", "TRACESTATE")
                   if name in os.environ}
        if not carrier:
            try:
                carrier = json.loads(self.context_file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                carrier = {}
        return propagate.extract(carrier)

    def leave_context(self):
        """For the next module, which makes a child although this process is gone."""
        carrier = {}
        propagate.inject(carrier)
        new = self.context_file.with_suffix(".new")
        new.write_text(json.dumps(carrier), encoding="utf-8")
        new.replace(self.context_file)


def sdk_provider(resource):
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider = TracerProvider(resource=Resource.create(resource))
    # The endpoint is OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4317.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def spanring_provider(resource):
    from spanring.otel import TracerProvider
    return TracerProvider(resource=resource)


def end_on_sigterm(provider):
    """As the real modules do: the span that is current is ended, no other."""
    def end(_number, _frame):
        span = trace.get_current_span()
        span.set_status(trace.StatusCode.OK)
        span.end()
        provider.force_flush()
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)


def begin():
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", dest="context_file", default="trace.context")
    parser.add_argument("-w", dest="work_ms", type=int, default=20)
    parser.add_argument("-H", dest="hang_in")
    arguments = parser.parse_args()
    make = {"sdk": sdk_provider, "spanring": spanring_provider}
    provider = make[os.environ.get("AGENTO_PROVIDER", "sdk")]({
        "service.name": "agento",
        "service.version": "1.0.0",
        "agento.module": pathlib.Path(sys.argv[0]).stem,
        "deployment.environment": os.environ.get("ENVIRONMENT", "development"),
        "service.instance.id": str(uuid.uuid4()),
    })
    trace.set_tracer_provider(provider)
    end_on_sigterm(provider)
    return Agento(arguments, provider)
