#!/usr/bin/python3
"""What it costs to pass spans on: OTLP in, OTLP out, spanringd beside the real
OpenTelemetry Collector, with the same generator and the same sink, in one run; in and
out by gRPC, then in and out by HTTP with protobuf.

    otlp.py [--build DIR] [--spans N] [--rounds N]

CPU is the process's own, user and system, from the first request to the last span
in the sink; memory is its peak. The rounds alternate; the table has medians, and
the ratio to the Collector. spanringd writes everything to its log on the way, and
to its archive where the table says so; the Collector keeps its queue in memory."""
import argparse
import gzip
import http.client
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
from concurrent import futures

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/interop")]

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS_IN_A_REQUEST = 512
SPANS_IN_A_TRACE = 64
UNDER_WAY = 4  # requests of the generator at a time
PROTOBUF = "application/x-protobuf"
RUN_ID = os.urandom(8)


class Sink:
    """It counts spans and keeps nothing."""

    def __init__(self):
        from sender import messages
        self.request = messages().ExportTraceServiceRequest
        self.spans, self.changed = 0, threading.Condition()

    def take(self, message):
        count = sum(len(scope.spans) for resource in message.resource_spans
                    for scope in resource.scope_spans)
        with self.changed:
            self.spans += count
            self.changed.notify_all()

    def wait(self, spans, seconds):
        with self.changed:
            if not self.changed.wait_for(lambda: self.spans >= spans, seconds):
                sys.exit(f"the sink has {self.spans} of {spans} spans after {seconds} s")


class GrpcSink(Sink):
    """gRPC for Python."""

    def __init__(self):
        import grpc
        super().__init__()

        def take(message, _):
            self.take(message)
            return b""

        service, method = EXPORT[1:].split("/")
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[
            ("grpc.max_receive_message_length", 64 << 20)])
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {
            method: grpc.unary_unary_rpc_method_handler(
                take, request_deserializer=self.request.FromString,
                response_serializer=lambda answer: answer)})])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def stop(self):
        self.server.stop(None)


class HttpSink(Sink):
    """Python's http.server, over connections that are kept."""

    def __init__(self):
        super().__init__()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.take(sink.request.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", PROTOBUF)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


SINKS = {"gRPC": GrpcSink, "HTTP": HttpSink}


def request(number):
    """A request of a model's calls: nine attributes, one of 300 characters."""
    from sender import NOW_NS, messages
    made = messages().ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = resource.scope_spans.add()
    scope.scope.name = "bench"
    for index in range(SPANS_IN_A_REQUEST):
        serial = number * SPANS_IN_A_REQUEST + index
        trace = (serial // SPANS_IN_A_TRACE + 1).to_bytes(8, "big")
        span = scope.spans.add(trace_id=RUN_ID + trace,
                               span_id=(serial + 1).to_bytes(8, "big"), name="chat", kind=3,
                               start_time_unix_nano=NOW_NS + serial,
                               end_time_unix_nano=NOW_NS + serial + 1_000_000)
        for key, value in (("gen_ai.system", "gemini"), ("gen_ai.request.model", "model-4-large"),
                           ("gen_ai.operation.name", "chat"), ("server.address", "127.0.0.1"),
                           ("gen_ai.prompt", f"{serial} " + "what is to be done? " * 15)):
            span.attributes.add(key=key).value.string_value = value
        for key in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "turn.index"):
            span.attributes.add(key=key).value.int_value = serial
        span.attributes.add(key="gen_ai.request.temperature").value.double_value = 0.1
    return made.SerializeToString()


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0


def send_by_grpc(port, requests):
    import grpc
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(EXPORT, request_serializer=None, response_deserializer=None)
        pending = []
        for one in requests:
            pending.append(call.future(one, timeout=60))
            if len(pending) == UNDER_WAY:
                pending.pop(0).result()
        for one in pending:
            one.result()


def send_by_http(port, requests):
    """Each thread over a connection of its own."""
    own = threading.local()

    def post(one):
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        own.connection.request("POST", "/v1/traces", one, {"Content-Type": PROTOBUF})
        answer = own.connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"a request was answered with {answer.status}")

    with futures.ThreadPoolExecutor(UNDER_WAY) as pool:
        for _ in pool.map(post, requests):
            pass


def pass_on(pid, by, port, sink, requests):
    """CPU in us a span, and MiB, of the process between generator and sink."""
    spans = len(requests) * SPANS_IN_A_REQUEST
    before = cpu_s(pid)
    {"gRPC": send_by_grpc, "HTTP": send_by_http}[by](port, requests)
    sink.wait(spans, 120)
    return (cpu_s(pid) - before) * 1e6 / spans, peak_mib(pid)


def of_spanringd(build, by, compression, archive, requests):
    from peers import answers_on
    from sender import Ports
    ports, sink = Ports(), SINKS[by]()
    port = ports.grpc if by == "gRPC" else ports.http
    with tempfile.TemporaryDirectory(prefix="spanring-bench-") as scratch:
        rings = tempfile.mkdtemp(prefix="spanring-bench-", dir="/dev/shm")
        arguments = [f"{build}/spanringd", "--ring-dir", rings, "--state-dir", f"{scratch}/state",
                     "--archive-dir", f"{scratch}/archive", *ports.arguments, "--set",
                     f"export.endpoint=http://127.0.0.1:{sink.port}", "--set",
                     f"export.compression={compression}", "--set",
                     f"export.protocol={'grpc' if by == 'gRPC' else 'http/protobuf'}",
                     *([] if archive else ["--no-archive"])]
        agent = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        try:
            answers_on(port)
            return pass_on(agent.pid, by, port, sink, requests)
        finally:
            agent.terminate()
            agent.wait()
            sink.stop()
            subprocess.run(["rm", "-rf", rings], check=False)


def of_collector(by, compression, requests):
    import peers
    from support import free_port
    port, sink = free_port(), SINKS[by]()
    exporter, exports = (("otlp", {"endpoint": f"127.0.0.1:{sink.port}", "tls": {"insecure": True}})
                         if by == "gRPC" else
                         ("otlphttp", {"endpoint": f"http://127.0.0.1:{sink.port}"}))
    configuration = {
        "receivers": {"otlp": {"protocols": {by.lower(): {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {exporter: {**exports, "compression": compression}},
        "service": {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                    "pipelines": {"traces": {"receivers": ["otlp"], "exporters": [exporter]}}}}
    with tempfile.TemporaryDirectory(prefix="spanring-bench-") as scratch:
        path = pathlib.Path(scratch) / "collector.yaml"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        collector = subprocess.Popen([peers.go_program("collector"), "--config", path],
                                     stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            peers.answers_on(port)
            return pass_on(collector.pid, by, port, sink, requests)
        finally:
            collector.terminate()
            collector.wait()
            sink.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["BUILD"] = build = str(pathlib.Path(options.build).resolve())
    requests = [request(number) for number in range(options.spans // SPANS_IN_A_REQUEST)]
    cases = [(who, by, out) for by in SINKS for out in ("plain", "gzip")
             for who in ("Collector", "spanringd", "spanringd, archive")]
    results = {case: [] for case in cases}
    for _ in range(options.rounds):
        for who, by, out in cases:
            compression = "none" if out == "plain" else "gzip"
            results[who, by, out].append(
                of_collector(by, compression, requests) if who == "Collector" else
                of_spanringd(build, by, compression, "archive" in who, requests))
    print(f"{len(requests) * SPANS_IN_A_REQUEST} spans of {len(requests[0]) // SPANS_IN_A_REQUEST} "
          f"bytes, medians of {options.rounds}\n\n"
          f"{'':20} {'by':6} {'out':6} {'us CPU a span':>14} {'ratio':>6} {'MiB':>6} {'ratio':>6}")
    for (who, by, out), rounds in results.items():
        cpu, memory = (statistics.median(column) for column in zip(*rounds))
        peer = [statistics.median(column) for column in zip(*results["Collector", by, out])]
        print(f"{who:20} {by:6} {out:6} {cpu:14.2f} {cpu / peer[0]:6.2f} {memory:6.0f} "
              f"{memory / peer[1]:6.2f}")


main()
