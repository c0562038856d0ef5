"""HTTP between services, with its spans: a CLIENT where a request is sent, a SERVER where
one is answered. The trace goes with the request in its headers. (For FastAPI, httpx and
their like OpenTelemetry's instrumentations do this, by spanring.otel.)"""
import http.server
import json
import signal
import threading
import urllib.error
import urllib.parse
import urllib.request

import spanring
from spanring import SpanKind, StatusCode

tracer = spanring.get_tracer("traced_http")


def ask(url, question, route=None):
    """POSTs JSON and returns the JSON that comes back. An answer of 400 and above is
    the caller's failure: an exception, and ERROR on the span."""
    place = urllib.parse.urlsplit(url)
    with tracer.start_as_current_span(
            f"POST {route or place.path}", kind=SpanKind.CLIENT, attributes={
                "http.request.method": "POST", "url.full": url,
                "server.address": place.hostname, "server.port": place.port}) as span:
        headers = {"Content-Type": "application/json"}
        spanring.inject(headers)
        request = urllib.request.Request(url, json.dumps(question).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                span.set_attribute("http.response.status_code", answer.status)
                return json.load(answer)
        except urllib.error.HTTPError as error:
            span.set_attribute("http.response.status_code", error.code)
            raise


class Service(http.server.ThreadingHTTPServer):
    """`routes` are functions by their path, which take and return JSON."""

    daemon_threads = True

    def __init__(self, routes, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.routes = {"/health": lambda _question: {"status": "ok"}, **routes}

    def run(self):
        """Prints the port; serves until SIGTERM or Ctrl-C."""
        told_to_end = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: told_to_end.set())
        print(self.server_address[1], flush=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        told_to_end.wait()
        self.shutdown()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.serve("GET")

    def do_POST(self):
        self.serve("POST")

    def serve(self, method):
        length = int(self.headers.get("Content-Length", 0))
        question = json.loads(self.rfile.read(length) or b"null")
        route = self.server.routes.get(self.path)
        with spanring.context.received(self.headers), tracer.start_as_current_span(
                f"{method} {self.path}" if route else method, kind=SpanKind.SERVER,
                attributes={"http.request.method": method, "url.path": self.path,
                            "url.scheme": "http"}) as span:
            code, answer = self.answer(span, route, question)
            span.set_attribute("http.response.status_code", code)
        self.reply(code, answer)

    def answer(self, span, route, question):
        if not route:
            return 404, {"error": f"nothing is at {self.path}"}
        span.set_attribute("http.route", self.path)
        try:
            return 200, route(question)
        except Exception as error:  # pylint: disable=broad-except
            span.record_exception(error)
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR, str(error))
            return 500, {"error": str(error)}

    def reply(self, code, answer):
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is printed but the port."""
