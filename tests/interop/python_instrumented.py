"""A program without a line of tracing but its set-up: httpx, logging and openai's client,
each with its instrumentation.

    python_instrumented.py URL"""
import logging
import sys

import httpx
import openai
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from python_provider import begin

begin()
LoggingInstrumentor().instrument(set_logging_format=True, logging_format=(
    "%(otelTraceID)s %(otelSpanID)s %(otelServiceName)s %(otelTraceSampled)s %(message)s"))
HTTPXClientInstrumentor().instrument()
OpenAIInstrumentor().instrument()

url = sys.argv[1]
with trace.get_tracer("program").start_as_current_span("root"):
    print(httpx.get(f"{url}/traceparent").text)
    logging.getLogger("program").error("something was logged")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(model="gpt-4o", temperature=0, messages=[
        {"role": "system", "content": "You plan."}, {"role": "user", "content": "A garden"}])
    print(answer.choices[0].message.content)
    try:
        client.chat.completions.create(model="busy", messages=[])
    except openai.RateLimitError as error:
        print(type(error).__name__)
