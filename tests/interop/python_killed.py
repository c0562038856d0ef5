"""Dies in an open call of a model, whose prompt was set after its start: what is left?

    python_killed.py plain                      OpenTelemetry's API alone
    python_killed.py instrumented URL-OF-MODEL  openai's client and its instrumentation

It waits to be killed: in a pause, or because the model never answers."""
import os
import sys
import time

from opentelemetry import trace
from python_provider import begin

PROMPT = "na\u00efve \u2028 prompt " * 20_000

begin()
tracer = trace.get_tracer("killed")


def plain():
    with tracer.start_as_current_span("llm.ask", kind=trace.SpanKind.CLIENT) as span:
        span.set_attribute("openinference.span.kind", "LLM")
        span.set_attributes({"gen_ai.request.model": "gemini-1.5-pro", "gen_ai.prompt": PROMPT})
        span.add_event("asked", {"attempt": 0})
        span.update_name("llm.ask gemini")
        span.add_link(trace.get_current_span().get_span_context(), {"self": True})
        print(f"asking, process {os.getpid()}", flush=True)
        time.sleep(600)


def instrumented(url):
    import openai
    from openinference.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    print(f"asking, process {os.getpid()}", flush=True)
    client.chat.completions.create(model="gpt-4o", temperature=0, messages=[
        {"role": "system", "content": "You plan."}, {"role": "user", "content": PROMPT}])


with tracer.start_as_current_span("agento.pipeline", attributes={"user_goal": "a goal"}):
    with tracer.start_as_current_span("a step that ends"):
        pass
    if sys.argv[1] == "plain":
        plain()
    else:
        instrumented(sys.argv[2])
