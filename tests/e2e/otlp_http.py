"""An OTLP/HTTP server made of Python's http.server, which does as it is told."""
import gzip
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import time

from support import parse_by_protobuf, stubs

JSON, PROTOBUF = "application/json", "application/x-protobuf"


def parse(content_type, body):
    """The request, by protobuf's own parsers."""
    stubs()
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    request = trace_service_pb2.ExportTraceServiceRequest()
    if content_type == JSON:
        return parse_by_protobuf(json.loads(body), request)
    return request.FromString(body)


def partial_success(rejected=0, message="", content_type=PROTOBUF):
    """An answer for what was taken in part."""
    stubs()
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    response = trace_service_pb2.ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    body = (json_format.MessageToJson(response).encode() if content_type == JSON
            else response.SerializeToString())
    return {"body": body, "type": content_type}


class Request:
    def __init__(self, handler, body):
        self.time = time.monotonic()
        self.path = handler.path
        self.version = handler.request_version
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.connection = handler.connection_number
        self.raw = body
        packed = self.headers.get("content-encoding") == "gzip"
        self.body = gzip.decompress(body) if packed else body
        self.parsed = parse(self.headers.get("content-type"), self.body)

    def names(self):
        return [span.name for resource in self.parsed.resource_spans
                for scope in resource.scope_spans for span in scope.spans]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.disable_nagle_algorithm = not self.server.path
        super().setup()
        with self.server.lock:
            self.server.connections += 1
            self.connection_number = self.server.connections

    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(self, body)
        with self.server.lock:
            answer = self.server.choose(request)
            request.answer = answer
            self.server.requests.append(request)
        if answer.get("hang"):
            self.server.over.wait()
            self.close_connection = True
            return
        if answer.get("drop"):
            self.close_connection = True
            return
        if "bytes" in answer:
            self.wfile.write(answer["bytes"])
            self.close_connection = True
            return
        if "pieces" in answer:
            self.close_connection = True
            try:
                for piece in answer["pieces"]:
                    self.wfile.write(piece)
            except OSError:
                pass
            return
        content = answer.get("body", b"")
        self.send_response(answer.get("status", 200))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", answer.get("type", self.headers["Content-Type"]))
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value() if callable(value) else value)
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            pass


class HttpServer(http.server.ThreadingHTTPServer):
    """Answers as `answers` says, in order, then as `judge` does, or with 200.

    An answer is a dict: status, headers, type, body; or drop, hang, or bytes or
    pieces, which are sent as they are instead of an answer."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *answers, judge=None, port=0, path=None, tls=None, client_ca=None):
        self.path = path
        if path:
            self.address_family = socket.AF_UNIX
        self.answers, self.judge = list(answers), judge
        self.requests, self.connections = [], 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.secure = tls is not None
        super().__init__(str(path) if path else ("127.0.0.1", port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])
            context.load_cert_chain(*map(str, tls))
            if client_ca:
                context.load_verify_locations(str(client_ca))
                context.verify_mode = ssl.CERT_REQUIRED
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def server_bind(self):
        if self.path:
            self.socket.bind(self.server_address)
            self.server_name, self.server_port = "localhost", 0
        else:
            super().server_bind()

    def get_request(self):
        connection, address = super().get_request()
        return connection, address or ("local", 0)

    def handle_error(self, *_):
        """Clients that go away are part of what is tested, and nothing else is."""
        if not isinstance(sys.exception(), OSError):
            threading.excepthook(threading.ExceptHookArgs(
                (*sys.exc_info(), threading.current_thread())))

    def choose(self, request):
        if self.answers:
            return self.answers.pop(0)
        return (self.judge(request) if self.judge else None) or {}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.server_close()
        if self.path:
            os.unlink(self.path)

    @property
    def base(self):
        if self.path:
            return f"unix:{self.path}"
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.server_port}"

    def names(self):
        """Of the spans that were taken, in order of arrival."""
        with self.lock:
            return [name for request in self.requests
                    if request.answer.get("status", 200) == 200
                    and not {"drop", "hang", "bytes", "pieces"} & set(request.answer)
                    for name in request.names()]
