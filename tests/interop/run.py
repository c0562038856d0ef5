#!/usr/bin/python3
"""spanring and the implementations of others: every combination is a test, and the
spans are compared field by field.

    run.py [--build DIR] [NAME...]     those whose names contain one of the words

The last line says how many ran and how many did not; the exit status is 0 only if
all ran and passed."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]

import peers  # noqa: E402
import spans  # noqa: E402
from tier import COMBINATIONS, Process, combination, same  # noqa: E402
import hints  # noqa: E402,F401  pylint: disable=unused-import
import pipelines  # noqa: E402,F401  pylint: disable=unused-import
import names  # noqa: E402,F401  pylint: disable=unused-import
import providers  # noqa: E402,F401  pylint: disable=unused-import
import runners  # noqa: E402,F401  pylint: disable=unused-import

# ---- destinations ------------------------------------------------------------------------

class Collector(Process):
    """The OpenTelemetry Collector: what it got is in the file of its file exporter.
    With `onward` it sends everything there instead. With `tls`, a certificate, its
    key and an authority, it speaks TLS alone, and to those it knows."""

    def __init__(self, place, onward=None, tls=None):
        from support import free_port
        secure = {"tls": dict(zip(("cert_file", "key_file", "client_ca_file"),
                                  map(str, tls)))} if tls else {}
        self.grpc, self.http = free_port(), free_port()
        self.file = place.disk / "collector.jsonl"
        exporter = onward or {"file": {"path": str(self.file)}}
        configuration = {
            "receivers": {"otlp": {"protocols": {
                "grpc": {"endpoint": f"127.0.0.1:{self.grpc}", "max_recv_msg_size_mib": 64,
                         **secure},
                "http": {"endpoint": f"127.0.0.1:{self.http}", **secure}}}},
            "exporters": {**exporter, "debug": {}},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"traces": {
                "receivers": ["otlp"], "exporters": [*exporter, "debug"]}}}}
        path = place.disk / "collector.yaml"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        super().__init__(place, "collector", [peers.go_program("collector"), "--config", path])
        peers.answers_on(self.grpc)
        peers.answers_on(self.http)

    def documents(self):
        """It ends, because what it got is in the file for certain only then."""
        self.process.terminate()
        self.process.wait(30)
        return spans.lines(self.file.read_text(encoding="utf-8"))


class Jaeger(Process):
    """Jaeger, with its store in memory; what it got is asked for by its query API."""

    def __init__(self, place):
        from support import free_port
        self.grpc, self.http, self.query = free_port(), free_port(), free_port()
        configuration = {
            "service": {"extensions": ["jaeger_storage", "jaeger_query"],
                        "telemetry": {"metrics": {"level": "none"}},
                        "pipelines": {"traces": {"receivers": ["otlp"],
                                                 "exporters": ["jaeger_storage_exporter"]}}},
            "extensions": {
                "jaeger_query": {"storage": {"traces": "memory"},
                                 "http": {"endpoint": f"127.0.0.1:{self.query}"},
                                 "grpc": {"endpoint": f"127.0.0.1:{free_port()}"}},
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1000}}}}},
            "receivers": {"otlp": {"protocols": {
                "grpc": {"endpoint": f"127.0.0.1:{self.grpc}", "max_recv_msg_size_mib": 64},
                "http": {"endpoint": f"127.0.0.1:{self.http}"}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}}}
        path = place.disk / "jaeger.yaml"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        super().__init__(place, "jaeger", [peers.jaeger(), "--config", path])
        peers.answers_on(self.grpc)
        peers.answers_on(self.query)

    def ask(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.query}{path}", data=body)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error} {error.read(2000)}") from None

    def documents(self, trace):
        return [self.ask(f"/api/v3/traces/{trace}?raw_traces=true")["result"]]


def whole_pipeline(endpoint, *arguments):
    """A run with a module of ours and a request with every field there is, sent to
    `endpoint`; returns what the archive has of it, which is what was said."""
    from sender import Ports, channel, export, fresh_trace, whole_request
    from support import Agent, Place, Puppet, check, check_ledgers, read_archive
    ports = Ports()
    with Place() as place, \
            Agent(place, *ports.arguments, *arguments, endpoint=endpoint) as agent:
        with Puppet(place) as puppet:
            puppet.tell("run", "pipeline")
            puppet.tell("child", "ask")
            puppet.tell("large", "gen_ai.prompt", 800_000)
            puppet.tell("event", "answered")
            puppet.tell("end")
            puppet.tell("child", "is killed")
            puppet.tell("event", "last")  # Jaeger lengthens a span of no time
            puppet.process.kill()
            puppet.process.wait()
        with channel(ports.grpc) as opened:
            export(opened, whole_request(fresh_trace(1)))
        agent.wait_archived(2)
        agent.wait_sent()
        status = agent.status()
        check_ledgers(status)
        check(status["export"][0]["sent"] == 5, status["export"])
        return [read_archive(path) for path in place.archives()]


PLAIN = ("--set", "export.compression=none")


@combination(*((protocol, compression) for protocol in ("grpc", "http/protobuf", "http/json")
               for compression in ("none", "gzip")))
def collector_as_destination(protocol, compression):
    from support import Place
    with Place() as place, Collector(place) as collector:
        port = collector.grpc if protocol == "grpc" else collector.http
        archived = whole_pipeline(f"http://127.0.0.1:{port}",
                                  "--set", f"export.protocol={protocol}",
                                  "--set", f"export.compression={compression}")
        same(archived, collector.documents())


@combination(("grpc", "none"), ("grpc", "gzip"), ("http/protobuf", "gzip"),
             ("http/json", "none"))
def collector_by_tls(protocol, compression):
    """Both sides show a certificate; HTTP/2 in both protocols, since the Collector's
    server agrees to it."""
    from certificates import Authority
    from support import Place
    with Place() as place:
        authority = Authority(place.disk / "ca", "authority")
        own, key = authority.issue("agent")
        with Collector(place, tls=(*authority.issue("server"),
                                   authority.certificate)) as collector:
            port = collector.grpc if protocol == "grpc" else collector.http
            archived = whole_pipeline(
                f"https://localhost:{port}", "--set", f"export.protocol={protocol}",
                "--set", f"export.compression={compression}",
                "--set", f"export.certificate={authority.certificate}",
                "--set", f"export.client_certificate={own}", "--set", f"export.client_key={key}")
            same(archived, collector.documents())


@combination(("grpc",), ("http/protobuf",), ("http/json",))
def jaeger_as_destination(protocol):
    from support import Place
    with Place() as place, Jaeger(place) as jaeger:
        port = jaeger.grpc if protocol == "grpc" else jaeger.http
        archived = whole_pipeline(f"http://127.0.0.1:{port}",
                                  "--set", f"export.protocol={protocol}", *PLAIN)
        traces = {span["trace"] for span, _, _ in spans.spans_of(archived).values()}
        # Jaeger keeps no schema URLs.
        same(archived, [document for trace in traces for document in jaeger.documents(trace)],
             schemas=False)


@combination(("none",), ("gzip",))
def grpc_go_as_destination(compression):
    from support import Place
    with Place() as place:
        file = place.disk / "received.jsonl"
        with Process(place, "go", [peers.go_program("go_server"), file]) as server:
            archived = whole_pipeline(f"http://127.0.0.1:{server.port()}",
                                      "--set", f"export.compression={compression}")
        same(archived, spans.lines(file.read_text(encoding="utf-8")))


@combination(("none",), ("gzip",))
def grpc_js_as_destination(compression):
    from support import Place, convert_ids
    import base64
    with Place() as place:
        file = place.disk / "received.jsonl"
        with Process(place, "js", [*peers.javascript(), HERE / "js_server.js", peers.PROTO,
                                   file]) as server:
            archived = whole_pipeline(f"http://127.0.0.1:{server.port()}",
                                      "--set", f"export.compression={compression}")
        received = spans.lines(file.read_text(encoding="utf-8"))
        same(archived, [convert_ids(one, lambda text: base64.b64decode(text).hex())
                        for one in received])


@combination(("none",), ("gzip",))
def grpc_core_as_destination(compression):
    from support import Place, Server
    with Place() as place, Server(place) as server:
        archived = whole_pipeline(server.endpoint,
                                  "--set", f"export.compression={compression}")
        same(archived, list(server.documents()))


# ---- senders -------------------------------------------------------------------------------

def send(make_command, port, link_flags=True, **environment):
    """A sender that knows nothing but the endpoint; returns what the archive has."""
    from sender import Ports
    from support import Agent, Place, check, check_ledgers, read_archive
    ports = Ports()
    wanted = spans.specification()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        path = place.disk / "specification.json"
        path.write_text(json.dumps(wanted), encoding="utf-8")
        number = ports.grpc if port == "grpc" else ports.http
        with Process(place, "sender", make_command(path), **environment,
                     OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{number}") as sender:
            sender.process.stdin.close()
            check(sender.process.wait(60) == 0, sender.log_path.read_text()[-2000:])
            said = sender.log_path.read_text()
            check(not said.strip(), f"the sender complains: {said[-2000:]}")
        agent.wait_archived(1)
        check_ledgers(agent.status())
        words = spans.check_against(wanted, [read_archive(one) for one in place.archives()],
                                    link_flags)
        check(not words, "\n".join(words[:20]))


def compress(compression):
    # Python's gRPC exporter does not know the specification's word "none".
    return {} if compression == "none" else {"OTEL_EXPORTER_OTLP_COMPRESSION": compression}


@combination(("grpc", "none"), ("grpc", "gzip"), ("http", "none"), ("http", "gzip"))
def python_sdk_as_sender(protocol, compression):
    send(lambda path: [peers.python(), HERE / "python_sender.py", protocol, path], protocol,
         link_flags=False, **compress(compression))


@combination(("grpc", "none"), ("grpc", "gzip"), ("http/protobuf", "none"),
             ("http/protobuf", "gzip"), ("http/json", "none"), ("http/json", "gzip"))
def javascript_sdk_as_sender(protocol, compression):
    send(lambda path: [*peers.javascript(), HERE / "js_sender.js", protocol, path],
         protocol.split("/")[0], **compress(compression))


@combination(("grpc", "none"), ("grpc", "gzip"), ("http", "none"), ("http", "gzip"))
def go_sdk_as_sender(protocol, compression):
    send(lambda path: [peers.go_program("go_sender"), protocol, path], protocol,
         **compress(compression))


@combination(("grpc",), ("http",))
def collector_as_sender(protocol):
    """Everything there is, from gRPC for Python to the Collector to us."""
    from sender import Ports, channel, export, fresh_trace, whole_request
    from support import Agent, Place, check_ledgers, convert_ids, read_archive, stubs
    import base64
    ports = Ports()
    request = whole_request(fresh_trace(2))
    onward = {"otlp": {"endpoint": f"127.0.0.1:{ports.grpc}", "tls": {"insecure": True}}}
    if protocol == "http":
        onward = {"otlphttp": {"endpoint": f"http://127.0.0.1:{ports.http}"}}
    with Place() as place, Agent(place, *ports.arguments) as agent, \
            Collector(place, onward) as collector:
        with channel(collector.grpc) as opened:
            export(opened, request)
        agent.wait_archived(1)
        check_ledgers(agent.status())
        stubs()
        from google.protobuf import json_format
        expected = convert_ids(
            json_format.MessageToDict(request, use_integers_for_enums=True),
            lambda text: base64.b64decode(text).hex())
        same([expected], [read_archive(path) for path in place.archives()])


# ---- contexts ------------------------------------------------------------------------------

def converse(process, **question):
    process.process.stdin.write(json.dumps(question).encode() + b"\n")
    process.process.stdin.flush()
    return json.loads(process.process.stdout.readline())


@combination(("tracecontext,baggage",), ("b3",), ("b3multi",), ("b3,tracecontext,baggage",))
def python_sdk_and_our_contexts(propagators):
    """From our span to Python's SDK by headers, and back from there."""
    from support import Agent, Place, Puppet, attributes, check, read_archive
    from support import spans_of
    environment = {"OTEL_PROPAGATORS": propagators}
    # No blank: Python writes it as "+", which to W3C Baggage is a plus.
    user = "na\u00efve,100%;=x" if "baggage" in propagators else None
    with Place() as place, Agent(place) as agent, Puppet(place, **environment) as puppet, \
            Process(place, "python", [peers.python(), HERE / "python_propagation.py"],
                    **environment) as sdk:
        traceparent, = puppet.tell("root", "ours")
        if user:
            puppet.tell("baggage", "user", user)
        text, = puppet.tell("headers")
        headers = dict(line.strip("~").split(":~", 1) for line in text.split("|")
                       if line.strip("~"))
        heard = converse(sdk, extract=headers)
        _, trace, span, _ = traceparent.split("-")
        check((heard["trace_id"], heard["span_id"], heard["sampled"]) == (trace, span, True),
              f"{headers} was heard as {heard}")
        check(heard["baggage"] == ({"user": user} if user else {}), f"{heard}")
        theirs = {"trace_id": trace, "span_id": "00000000000000aa", "sampled": True,
                  "baggage": {"user": user} if user else {}}
        said = converse(sdk, inject=theirs)
        puppet.tell("accept", "below theirs",
                    "".join(f"{name}: {value}|" for name, value in said.items()))
        puppet.tell("end")
        puppet.tell("end")
        puppet.leave()
        agent.wait_archived(1)
        path, = place.archives()
        found = {one["name"]: one for one, _, _ in spans_of(read_archive(path))}
        check(found["below theirs"]["parentSpanId"] == "00000000000000aa", f"{said}")
        check(attributes(found["below theirs"]).get("user") == user, f"{said}")


# ---- readers of archives -----------------------------------------------------------------------

def without_infinity(request):
    """Jaeger's page cannot have it: its JSON has no word for it."""
    resource = request.resource_spans[0]
    scope = resource.scope_spans[0]
    span = scope.spans[1]
    for holder in (resource.resource, scope.scope, span, span.events[0], span.links[0]):
        kept = [one for one in holder.attributes if one.key != "infinite"]
        del holder.attributes[:]
        holder.attributes.extend(kept)
    return request


def some_archives(change=lambda request: request):
    """Archives of a pipeline of ours and of a request with everything in it."""
    from sender import Ports, channel, export, fresh_trace, whole_request
    from support import Agent, Place, Puppet
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        with Puppet(place) as puppet:
            puppet.tell("run", "pipeline")
            puppet.tell("large", "gen_ai.prompt", 800_000)
            puppet.tell("child", "is killed")
            puppet.process.kill()
            puppet.process.wait()
        with channel(ports.grpc) as opened:
            export(opened, change(whole_request(fresh_trace(3))))
        agent.wait_archived(2)
        return [path.read_bytes() for path in place.archives()]


@combination(())
def collector_reads_archives():
    """The unmarshaler of the Collector's otlpjsonfile receiver."""
    for archive in some_archives():
        done = subprocess.run([peers.go_program("go_reader")], input=archive,
                              stdout=subprocess.PIPE, check=True)
        same([json.loads(archive)], spans.lines(done.stdout.decode()))


@combination(())
def jaeger_reads_archives():
    """What Jaeger's page does with a file that is dropped on it."""
    from support import Place
    with Place() as place, Jaeger(place) as jaeger:
        for archive in some_archives(without_infinity):
            expected = spans.spans_of([json.loads(archive)])
            trace, = jaeger.ask("/api/transform", archive)["data"]
            found = {span["spanID"]: span for span in trace["spans"]}
            if found.keys() != expected.keys():
                raise AssertionError(f"{sorted(found)} of {sorted(expected)}")
            for identity, (span, _, _) in expected.items():
                other = found[identity]
                if (other["operationName"], other["startTime"], other["duration"]) != \
                        (span["name"], span["start"] // 1000,
                         (span["end"] - span["start"]) // 1000):
                    raise AssertionError(f"{span} became {other}")


@combination(())
def protobuf_reads_archives():
    """protobuf's own JSON parser, which wants ids in base64, refuses nothing."""
    from support import parse_by_protobuf
    for archive in some_archives():
        parsed = parse_by_protobuf(json.loads(archive))
        count = sum(len(scope.spans) for resource in parsed.resource_spans
                    for scope in resource.scope_spans)
        if count != len(spans.spans_of([json.loads(archive)])):
            raise AssertionError(f"{count} spans")


# ---- all of them ---------------------------------------------------------------------------

def run_one(name, test):
    start = time.monotonic()
    try:
        test()
        result = "ok"
    except peers.Missing as missing:
        result = f"not run: {missing}"
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        result = "FAILED"
    print(f"{result if result[:3] != 'not' else 'not run':8} {time.monotonic() - start:6.1f} s  "
          f"{name}", flush=True)
    if result.startswith("not run"):
        print(result)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.environ["BUILD"] = str(pathlib.Path(options.build).resolve())
    chosen = [(name, test) for name, test in COMBINATIONS
              if not options.names or any(word in name for word in options.names)]
    if not chosen:
        sys.exit(f"no combination has one of {' '.join(options.names)} in its name")
    results = [run_one(name, test) for name, test in chosen]
    missing = sum(result.startswith("not run") for result in results)
    failed = results.count("FAILED")
    print(f"interop: {len(results) - missing} combinations ran, {failed} of them failed; "
          f"{missing} did not run")
    sys.exit(1 if failed or missing else 0)


if __name__ == "__main__":
    main()
