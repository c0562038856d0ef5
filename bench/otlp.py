#!/usr/bin/python3
"""What it costs to pass spans on: OTLP in, OTLP out, spanringd beside the real
OpenTelemetry Collector, with the same generator and the same sink, in one run.

    otlp.py [--build DIR] [--spans N] [--rounds N]

CPU is the process's own, user and system, from the first request to the last span
in the sink; memory is its peak. The rounds alternate; the table has medians, and
the ratio to the Collector. spanringd writes everything to its log on the way, and
to its archive where the table says so; the Collector keeps its queue in memory."""
import argparse
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
RUN_ID = os.urandom(8)


class Sink:
    """gRPC for Python; it counts spans and keeps nothing."""

    def __init__(self):
        import grpc
        from sender import messages
        request = messages().ExportTraceServiceRequest
        self.spans, self.changed = 0, threading.Condition()

        def take(message, _):
            count = sum(len(scope.spans) for resource in message.resource_spans
                        for scope in resource.scope_spans)
            with self.changed:
                self.spans += count
                self.changed.notify_all()
            return b""

        service, method = EXPORT[1:].split("/")
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[
            ("grpc.max_receive_message_length", 64 << 20)])
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {
            method: grpc.unary_unary_rpc_method_handler(
                take, request_deserializer=request.FromString,
                response_serializer=lambda answer: answer)})])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def wait(self, spans, seconds):
        with self.changed:
            if not self.changed.wait_for(lambda: self.spans >= spans, seconds):
                sys.exit(f"the sink has {self.spans} of {spans} spans after {seconds} s")


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


def pass_on(pid, port, sink, requests):
    """CPU in us a span, and MiB, of the process between generator and sink."""
    import grpc
    spans = len(requests) * SPANS_IN_A_REQUEST
    before = cpu_s(pid)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(EXPORT, request_serializer=None, response_deserializer=None)
        pending = []
        for one in requests:
            pending.append(call.future(one, timeout=60))
            if len(pending) == 4:
                pending.pop(0).result()
        for one in pending:
            one.result()
    sink.wait(spans, 120)
    return (cpu_s(pid) - before) * 1e6 / spans, peak_mib(pid)


def of_spanringd(build, compression, archive, requests):
    from peers import answers_on
    from sender import Ports
    ports, sink = Ports(), Sink()
    with tempfile.TemporaryDirectory(prefix="spanring-bench-") as scratch:
        rings = tempfile.mkdtemp(prefix="spanring-bench-", dir="/dev/shm")
        arguments = [f"{build}/spanringd", "--ring-dir", rings, "--state-dir", f"{scratch}/state",
                     "--archive-dir", f"{scratch}/archive", *ports.arguments, "--set",
                     f"export.endpoint=http://127.0.0.1:{sink.port}", "--set",
                     f"export.compression={compression}",
                     *([] if archive else ["--no-archive"])]
        agent = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        try:
            answers_on(ports.grpc)
            return pass_on(agent.pid, ports.grpc, sink, requests)
        finally:
            agent.terminate()
            agent.wait()
            sink.server.stop(None)
            subprocess.run(["rm", "-rf", rings], check=False)


def of_collector(compression, requests):
    import peers
    from support import free_port
    port, sink = free_port(), Sink()
    configuration = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"otlp": {"endpoint": f"127.0.0.1:{sink.port}", "tls": {"insecure": True},
                               "compression": compression}},
        "service": {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                    "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp"]}}}}
    with tempfile.TemporaryDirectory(prefix="spanring-bench-") as scratch:
        path = pathlib.Path(scratch) / "collector.yaml"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        collector = subprocess.Popen([peers.go_program("collector"), "--config", path],
                                     stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            peers.answers_on(port)
            return pass_on(collector.pid, port, sink, requests)
        finally:
            collector.terminate()
            collector.wait()
            sink.server.stop(None)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["BUILD"] = build = str(pathlib.Path(options.build).resolve())
    requests = [request(number) for number in range(options.spans // SPANS_IN_A_REQUEST)]
    cases = {
        ("Collector", "plain"): lambda: of_collector("none", requests),
        ("spanringd", "plain"): lambda: of_spanringd(build, "none", False, requests),
        ("spanringd, archive", "plain"): lambda: of_spanringd(build, "none", True, requests),
        ("Collector", "gzip"): lambda: of_collector("gzip", requests),
        ("spanringd", "gzip"): lambda: of_spanringd(build, "gzip", False, requests),
        ("spanringd, archive", "gzip"): lambda: of_spanringd(build, "gzip", True, requests),
    }
    results = {case: [] for case in cases}
    for _ in range(options.rounds):
        for case, measure in cases.items():
            results[case].append(measure())
    print(f"{len(requests) * SPANS_IN_A_REQUEST} spans of {len(requests[0]) // SPANS_IN_A_REQUEST} "
          f"bytes, medians of {options.rounds}\n\n"
          f"{'':20} {'out':6} {'us CPU a span':>14} {'ratio':>6} {'MiB':>6} {'ratio':>6}")
    for (who, out), rounds in results.items():
        cpu, memory = (statistics.median(column) for column in zip(*rounds))
        peer = [statistics.median(column) for column in zip(*results["Collector", out])]
        print(f"{who:20} {out:6} {cpu:14.2f} {cpu / peer[0]:6.2f} {memory:6.0f} "
              f"{memory / peer[1]:6.2f}")


main()
