#!/usr/bin/python3
"""An OTLP/gRPC server that nobody of this project wrote: gRPC for Python.

    otlp_server.py [options]

It listens on 127.0.0.1, prints its port on the first line of stdout, and stops
on the end of stdin or on SIGTERM/SIGINT; it then prints one line
"requests=N spans=N bytes=N", counting answered-OK requests only.

  --stubs DIR       where `make build/gen/python/stamp` put the messages; without
                    it they are generated anew from proto/ for this run
  --port N          instead of a free one
  --out FILE        append every request that is answered OK, before answering
  --format FORMAT   json: one OTLP/JSON line each, ids in hex (default)
                    raw:  4 bytes big-endian length, then the request's bytes
  --all             also those that are not answered OK
  --metadata FILE   append each call's metadata as one JSON line (a list of pairs)
  --max-message N   largest request accepted, in bytes (default 64 MiB)
  --delay-ms N      wait this long before each answer
  --slow-while PATH ... but only as long as this file is there
  --tls CERT,KEY    speak TLS with these PEM files
  --client-ca FILE  and ask every client for a certificate of this authority
  --unix PATH       listen on a unix socket instead; the port printed is 0
  --refuse NAME     answer INVALID_ARGUMENT to requests with a span of this name
  --gzip            compress the answers
  --threads N       calls served at the same time (default 8)
  --answer SPEC     may be repeated: how to answer the first calls, in order;
                    after the last of them every call is answered OK. SPEC is
                    a gRPC status (OK, UNAVAILABLE, ...) or "partial" or
                    "hang", followed by any of
                      ,times=N       so many calls (default 1)
                      ,retry-ms=N    attach google.rpc.RetryInfo
                      ,message=TEXT  grpc-message, or the partial's message
                      ,rejected=N    partial: spans refused
                      ,delay-ms=N    wait before this answer
"""
import argparse
import base64
import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures

import grpc

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
IDS = ("traceId", "spanId", "parentSpanId")


def parse_answer(text):
    kind, *pairs = text.split(",")
    answer = {"kind": kind, "times": 1, "retry-ms": None, "message": "", "rejected": 0,
              "delay-ms": 0}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in answer or name == "kind":
            raise argparse.ArgumentTypeError(f"unknown member {name!r} in {text!r}")
        answer[name] = value if name == "message" else int(value)
    if kind not in ("partial", "hang") and not hasattr(grpc.StatusCode, kind):
        raise argparse.ArgumentTypeError(f"{kind!r} is not a gRPC status")
    return answer


def with_hex_ids(value):
    """MessageToDict gives bytes as base64; OTLP/JSON wants ids in hex."""
    if isinstance(value, list):
        return [with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: base64.b64decode(item).hex() if name in IDS else with_hex_ids(item)
            for name, item in value.items()}


class Server:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.answers = [answer for answer in options.answer for _ in range(answer["times"])]
        self.requests = self.spans = self.bytes = 0

    def next_answer(self):
        with self.lock:
            return self.answers.pop(0) if self.answers else {"kind": "OK", "delay-ms": 0}

    def encode(self, raw, request):
        if self.options.format == "raw":
            return struct.pack(">I", len(raw)) + raw
        shape = json_format.MessageToDict(request, use_integers_for_enums=True)
        return json.dumps(with_hex_ids(shape), ensure_ascii=True).encode() + b"\n"

    def keep(self, raw, request):
        if self.options.out:
            encoded = self.encode(raw, request)
            with self.lock, open(self.options.out, "ab") as out:
                out.write(encoded)

    def count(self, raw, request):
        with self.lock:
            self.requests += 1
            self.bytes += len(raw)
            self.spans += sum(len(scope.spans) for resource in request.resource_spans
                              for scope in resource.scope_spans)

    def keep_metadata(self, context):
        if not self.options.metadata:
            return
        pairs = [[name, value if isinstance(value, str) else value.hex()]
                 for name, value in context.invocation_metadata()]
        with self.lock, open(self.options.metadata, "a") as out:
            out.write(json.dumps(pairs) + "\n")

    def delay_ms(self):
        slow = self.options.slow_while
        return self.options.delay_ms if slow is None or slow.exists() else 0

    def refuse(self, answer, context):
        code = getattr(grpc.StatusCode, answer["kind"])
        if answer["retry-ms"] is not None:
            status = status_pb2.Status(code=code.value[0], message=answer["message"])
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(answer["retry-ms"])
            status.details.add().Pack(retry)
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, answer["message"])

    def export(self, raw, context):
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(raw)
        response = trace_service_pb2.ExportTraceServiceResponse()
        answer = self.next_answer()
        self.keep_metadata(context)
        time.sleep((answer["delay-ms"] or self.delay_ms()) / 1000)
        if self.options.refuse in (span.name for resource in request.resource_spans
                                   for scope in resource.scope_spans for span in scope.spans):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT,
                          f"no span may be called {self.options.refuse}")
        accepted = answer["kind"] in ("OK", "partial")
        if accepted or self.options.all:
            self.keep(raw, request)
        if answer["kind"] == "hang":
            self.stopping.wait()
            context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        if not accepted:
            self.refuse(answer, context)
        self.count(raw, request)
        if answer["kind"] == "partial":
            response.partial_success.rejected_spans = answer["rejected"]
            response.partial_success.error_message = answer["message"]
        return response.SerializeToString()

    def listen(self, server):
        options = self.options
        if options.unix:
            return server.add_insecure_port(f"unix:{options.unix}") and "0"
        address = f"127.0.0.1:{options.port}"
        if not options.tls:
            return server.add_insecure_port(address)
        certificate, key = (pathlib.Path(path).read_bytes() for path in options.tls.split(","))
        authority = pathlib.Path(options.client_ca).read_bytes() if options.client_ca else None
        return server.add_secure_port(address, grpc.ssl_server_credentials(
            [(key, certificate)], authority, authority is not None))

    def run(self):
        export = grpc.unary_unary_rpc_method_handler(self.export)
        server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=self.options.threads),
            compression=grpc.Compression.Gzip if self.options.gzip else None,
            options=(("grpc.max_receive_message_length", self.options.max_message),
                     ("grpc.so_reuseport", 0)))
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
        port = self.listen(server)
        if not port:
            sys.exit(f"otlp_server: port {self.options.port} is taken")
        server.start()
        print(port, flush=True)
        self.stopping.wait()
        server.stop(0.2).wait()
        print(f"requests={self.requests} spans={self.spans} bytes={self.bytes}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stubs")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--out")
    parser.add_argument("--format", choices=("json", "raw"), default="json")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--metadata")
    parser.add_argument("--max-message", type=int, default=64 << 20)
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--slow-while", type=pathlib.Path)
    parser.add_argument("--tls")
    parser.add_argument("--client-ca")
    parser.add_argument("--unix")
    parser.add_argument("--refuse")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--answer", type=parse_answer, action="append", default=[])
    return parser.parse_args()


def generate_stubs(directory):
    proto = pathlib.Path(__file__).resolve().parents[2] / "proto"
    # Python brings google.protobuf itself; a second copy would be refused.
    sources = [str(path) for path in proto.rglob("*.proto")
               if "google/protobuf" not in path.as_posix()]
    subprocess.run(["protoc", f"-I{proto}", f"--python_out={directory}", *sources], check=True)


def main():
    server = Server(arguments())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stopping.set())

    def until_eof():
        while sys.stdin.buffer.read(4096):
            pass
        server.stopping.set()

    threading.Thread(target=until_eof, daemon=True).start()
    server.run()


if __name__ == "__main__":
    stubs = arguments().stubs
    with tempfile.TemporaryDirectory() as directory:
        if not stubs:
            generate_stubs(directory)
        sys.path.insert(0, stubs or directory)
        from google.protobuf import json_format
        from google.rpc import error_details_pb2, status_pb2
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    main()
