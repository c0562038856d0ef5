#!/usr/bin/env python3
"""A stand-in for the proxy that agents call their models through. It is a process of
its own, traced with OpenTelemetry's SDK: what comes in the header `traceparent` is the
parent of its span, which it sends to OTEL_EXPORTER_OTLP_ENDPOINT by itself.

    model_proxy.py [PORT]    prints the port it listens on; SIGTERM and Ctrl-C end it

It answers POST /chat/completions as OpenAI does. What a model would say is up to whoever
asks: the request's `metadata.answer` is it."""
import http.server
import json
import signal
import sys
import threading

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

provider = TracerProvider(resource=Resource.create({"service.name": "model-proxy"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("model_proxy")


def tokens(text):
    """Four characters are a token, more or less."""
    return len(text) // 4 + 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        parent = propagate.extract({name.lower(): value for name, value in self.headers.items()})
        length = int(self.headers.get("Content-Length", 0))
        request = json.loads(self.rfile.read(length))
        with tracer.start_as_current_span("model_proxy.request", parent,
                                          kind=SpanKind.SERVER) as span:
            span.set_attribute("http.request.method", "POST")
            span.set_attribute("url.path", self.path)
            answer = self.complete(request)
            span.set_attribute("http.response.status_code", 200)
            span.set_status(StatusCode.OK)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def complete(request):
        prompt = "\n".join(message["content"] for message in request["messages"])
        text = request["metadata"]["answer"]
        usage = {"prompt_tokens": tokens(prompt), "completion_tokens": tokens(text)}
        trace.get_current_span().set_attributes({
            "openinference.span.kind": "LLM",
            "gen_ai.operation.name": "chat",
            "gen_ai.system": request["model"].split("/")[0],
            "gen_ai.request.model": request["model"],
            "gen_ai.usage.input_tokens": usage["prompt_tokens"],
            "gen_ai.usage.output_tokens": usage["completion_tokens"],
        })
        return {"object": "chat.completion", "model": request["model"], "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop",
                             "message": {"role": "assistant", "content": text}}]}

    def log_message(self, *_):
        pass


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told_to_end.wait()
    server.shutdown()
    provider.shutdown()


main()
