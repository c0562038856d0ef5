"""Programs on OpenTelemetry's Python API: on its SDK with the exporter, and on our
provider and our processor. The spans are the same, field by field; those of a process
that is killed are there with our provider alone."""
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import tomllib

import peers
import spans
from tier import Process, combination

PROMPT = "na\u00efve \u2028 prompt " * 20_000
NOW_NS = 1_795_000_000_000_000_123
NEAR_NS = 1_000_000
# The program of this name, which does not survive that its environment was renamed.
OPENTELEMETRY_INSTRUMENT = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"


def environment(place, provider, port, **more):
    return place.environment(
        INTEROP_PROVIDER=provider, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        OTEL_BSP_SCHEDULE_DELAY="50", PYTHONPATH=peers.package(), **more)


def archived(provider, program, *arguments, said=None, **more):
    """What the archive has of a program that ends by itself; its lines go to `said`."""
    from sender import Ports
    from support import Agent, Place, check, check_ledgers, read_archive
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        done = subprocess.run([peers.python(), peers.HERE / program, *arguments],
                              env=environment(place, provider, ports.grpc, **more),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False)
        check(done.returncode == 0, done.stderr.decode()[-2000:])
        if said is not None:
            said += (done.stdout + done.stderr).decode().splitlines()
        check_ledgers(agent.wait_archived())
        return spans.spans_of([read_archive(path) for path in place.archives()])


# ---- one form for both -------------------------------------------------------------------

def plain_stack(attributes):
    """A stack trace without the frames of who carried the exception out of the block."""
    kind, text = attributes.get("exception.stacktrace", (None, ""))
    if not kind:
        return attributes
    lines = text.split("\n")
    kept, skip = [], False
    for line in lines:
        if line.startswith("  File "):
            skip = "opentelemetry/" in line or "spanring/" in line or "contextlib.py" in line
        elif not line.startswith("    "):
            skip = False
        if not skip:
            kept.append(line)
    return {**attributes, "exception.stacktrace": (kind, "\n".join(kept))}


def plain_time(time):
    """Only a time that the program gave is the same twice."""
    return time if abs(time - NOW_NS) < NEAR_NS else "its own"


def plain(found):
    """{name: what a span says, with names for ids}"""
    names = {identity: span["name"] for identity, (span, _, _) in found.items()}
    roots = {span["trace"]: span["name"] for span, _, _ in found.values()
             if span["parent"] not in names}
    result = {}
    for span, scope, resource in found.values():
        attributes = {key: value for key, value in span["attributes"].items()
                      if not key.startswith("spanring.")}
        assert span["name"] not in result, f"{span['name']} twice"
        result[span["name"]] = {
            **span, "id": "", "attributes": attributes,
            "trace": roots[span["trace"]],
            "parent": names.get(span["parent"], span["parent"]),
            "start": plain_time(span["start"]), "end": plain_time(span["end"]),
            # Python's exporter sends of flags whether a parent is remote, nothing else, and
            # no tracestate of a link.
            "flags": span["flags"] & 0x300,
            "links": [(link[0], link[1], "", link[3] & 0x300, *link[4:])
                      for link in span["links"]],
            "events": [(name, plain_time(time), plain_stack(of_event), dropped)
                       for name, time, of_event, dropped in span["events"]],
            "scope": scope, "resource": resource}
    return result


def plain_numbered(found):
    """The same where names occur more than once: they are numbered by their start."""
    counts = {}
    for span, _, _ in sorted(found.values(), key=lambda entry: entry[0]["start"]):
        counts[span["name"]] = counts.get(span["name"], 0) + 1
        if counts[span["name"]] > 1:
            span["name"] += f" {counts[span['name']]}"
    return plain(found)


def compare(expected, found):
    """Of the resource ours has all, and more; who measured is another."""
    words = []
    for name in sorted(expected.keys() | found.keys()):
        if name not in expected or name not in found:
            words.append(f"{name} is {'missing' if name in expected else 'new'}")
            continue
        for field, value in expected[name].items():
            other = found[name][field]
            if field == "resource":
                value, other = ({key: one for key, one in of[0].items() if not key.startswith(
                    ("telemetry.sdk.", "service.instance.id")) and key in value[0]}
                    for of in (value, other))
            if value != other:
                words.append(f"{name} {field}: {value!r:.300} became {other!r:.300}")
    if words:
        raise AssertionError("\n".join(words[:20]))


# ---- the combinations -----------------------------------------------------------------------

@combination(("spanring",), ("processor",))
def python_program_as_on_the_sdk(provider):
    compare(plain(archived("sdk", "python_program.py")),
            plain(archived(provider, "python_program.py")))


@combination(())
def both_apis_have_one_current_span():
    """Each span's name is its parent's last word and its own."""
    from support import check
    found = archived("spanring", "python_both.py")
    words = {identity: span["name"].split("/")[-1] for identity, (span, _, _) in found.items()}
    for span, _, _ in found.values():
        wanted = span["name"].split("/")[0] if "/" in span["name"] else "none"
        if span["name"] == "traced":
            wanted = "mixed"
        parent = words.get(span["parent"], "remote" if span["parent"] else "none")
        check(parent == wanted, f"{span['name']} is below {parent}")
    by_name = {span["name"]: span for span, _, _ in found.values()}
    check(by_name["none/theirs"]["attributes"].keys() == {"by", "by.native", "by.used"},
          "what both said")
    check("by.otel" in by_name["theirs/ours"]["attributes"] and
          by_name["theirs/ours"]["events"], "what was said to the other's span")
    check(len(found) == 28, f"{sorted(by_name)}")


class Model(http.server.ThreadingHTTPServer):
    """Answers as OpenAI does, and says what traceparent it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, self.headers["traceparent"].encode())

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["model"] == "busy":
            return self.answer(429, b'{"error": {"message": "busy"}}')
        return self.answer(200, json.dumps({
            "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
            "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": "Three beds."}}]}).encode())

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@combination(())
def python_instrumentations_as_on_the_sdk():
    """httpx's, logging's and openai's: the same spans, headers and log lines."""
    from support import check
    with Model() as model:
        said = {}
        found = {provider: plain_numbered(archived(provider, "python_instrumented.py", model.url,
                                                   said=said.setdefault(provider, [])))
                 for provider in ("sdk", "spanring")}
    compare(found["sdk"], found["spanring"])
    for provider, lines in said.items():
        check(lines[1:3] == ["Three beds.", "RateLimitError"], f"{provider}: {lines}")
        trace = lines[0].split("-")[1]
        logged = [line.split(" ", 2) for line in lines[3:]]
        check(len(logged) == 4 and all(line[0] == trace and line[2].startswith(
            "interop program True ") for line in logged), f"{provider}: {lines}")
        check(logged[0][1] == logged[1][1] != logged[2][1], f"{provider}: {lines}")


@combination(())
def python_service_as_on_the_sdk():
    """FastAPI's and httpx's: a SERVER below each CLIENT, and what went wrong in one."""
    from support import check, free_port
    port = str(free_port())
    found = {}
    for provider in ("sdk", "spanring"):
        found[provider] = plain_numbered(archived(provider, "python_service.py", port))
        for span in found[provider].values():
            span["attributes"].pop("net.peer.port", None)  # another for each connection
    compare(found["sdk"], found["spanring"])
    span = found["spanring"]["GET /fails"]
    check(span["kind"] == 2 and span["status"][0] == 2 and span["parent"] == "GET 3", f"{span}")


def as_installed(directory):
    """What an installation of the wheel leaves beside the package: its entry points."""
    project = tomllib.loads((peers.HERE.parents[1] / "python/pyproject.toml").read_text())
    info = directory / "spanring-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spanring\nVersion: 0\n")
    (info / "entry_points.txt").write_text("".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["project"]["entry-points"].items()))
    return str(directory)


@combination(())
def provider_of_ours_by_environment_alone():
    """opentelemetry-instrument, and a program that knows nothing of tracing."""
    from support import Agent, Place, check, read_archive
    with Model() as model, Place() as place, Agent(place) as agent:
        done = subprocess.run(
            [peers.python(), "-c", OPENTELEMETRY_INSTRUMENT, peers.python(), "-c",
             f"import httpx; print(httpx.get('{model.url}/here').text)"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False,
            env=place.environment(
                OTEL_PYTHON_TRACER_PROVIDER="spanring", OTEL_SERVICE_NAME="untouched",
                PYTHONPATH=f"{peers.package()}:{as_installed(place.disk)}"))
        check(done.returncode == 0, done.stderr.decode()[-2000:])
        agent.wait_archived(1)
        path, = place.archives()
        (span, scope, resource), = spans.spans_of([read_archive(path)]).values()
        check(span["name"] == "GET" and scope[0] == "opentelemetry.instrumentation.httpx", scope)
        check(resource[0]["service.name"] == ("string", "untouched"), f"{resource}")
        check(done.stdout.decode().split("-")[1] == span["trace"], f"{done.stdout}")


@combination(*((provider, choice) for provider in ("spanring", "processor")
               for choice in ("ratio", "always", "parent", "marks", "ids")))
def python_choices_as_on_the_sdk(provider, choice):
    """Samplers and generators of ids are the program's own."""
    from support import check
    expected, found = (archived(one, "python_choices.py", choice) for one in ("sdk", provider))
    if choice == "ids":
        check(expected.keys() == found.keys(), f"{found.keys()}")
    compare(plain(expected), plain(found))


@combination(("processors",), ("api-alone",))
def provider_of_ours(part):
    from support import check
    found = {span["name"]: (span, resource) for span, _, resource
             in archived("spanring", "python_processors.py", part).values()}
    if part == "processors":
        check(found.keys() == {"seen and renamed", "child", "never ends",
                               "neither does this one"}, f"{sorted(found)}")
        span, resource = found["child"]
        check(span["attributes"]["marked"] == ("bool", True), f"{span}")
    else:
        span, resource = found["no SDK"]
    check(resource[0]["service.name"][1] == part.replace("-", " "), f"{resource}")
    check(resource[0]["telemetry.sdk.language"] == ("string", "python"), f"{resource}")


@combination(())
def provider_of_ours_samples_as_its_environment_says():
    from support import check
    found = archived("spanring", "python_processors.py", "not-sampled",
                     OTEL_TRACES_SAMPLER="always_off")
    check(not found, f"{found}")


@combination(())
def provider_of_ours_in_a_unit_test():
    from support import check
    check(not archived("spanring", "python_processors.py", "sink"), "it was for the test alone")


@combination(())
def provider_of_ours_differs_where_its_page_says():
    from support import check
    found = {span["name"]: span for span, _, _ in archived(
        "spanring", "python_processors.py", "differences",
        TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").values()}
    joins, apart = found["joins"], found["stays apart"]
    check(joins["parent"] == "b7ad6b7169203331" and not apart["parent"], "TRACEPARENT")
    check(not found["begins"]["parent"] and not found["begins natively"]["parent"], f"{found}")
    check(list(joins["attributes"]) == [f"key {number}" for number in range(128)] and
          joins["dropped"] == [2, 0, 0], f"{len(joins['attributes'])} {joins['dropped']}")
    check(apart["attributes"] == {"some": ("int", 1)}, f"{apart}")


# ---- traces of real shape ---------------------------------------------------------------------

def replay(place, agent, provider, port, path):
    """{span id of the original: what became of it}, made again module by module."""
    from support import check, check_ledgers, read_archive
    mapping = place.disk / "mapping"
    for number in range(100):
        done = subprocess.run(
            [peers.python(), peers.HERE / "python_replay.py", path, str(number), mapping],
            env=environment(place, provider, port), stderr=subprocess.PIPE, timeout=120,
            check=False)
        if done.returncode == 3:
            break
        check(done.returncode == 0, done.stderr.decode()[-2000:])
    check_ledgers(agent.wait_archived())
    old = {"": ""}
    for line in mapping.read_text().splitlines():
        old_trace, old_span, new_trace, new_span = line.split()
        old.update({new_trace: old_trace, new_span: old_span})
    found = spans.spans_of([read_archive(one) for one in place.archives()])
    for span, _, _ in found.values():
        for field in ("trace", "id", "parent"):
            span[field] = old[span[field]]
    return {span["id"]: (span, scope, resource) for span, scope, resource in found.values()}


def compare_replayed(original, found):
    """All that the API can say; NaN is not equal to itself, so texts are compared."""
    words = [f"{one} is missing" for one in original.keys() - found.keys()]
    for identity, (span, scope, resource) in original.items():
        other, other_scope, other_resource = found.get(identity, (span, scope, resource))
        for field in span.keys() - {"flags", "links"}:
            if repr(span[field]) != repr(other[field]):
                words.append(f"{span['name']} {field}: {span[field]!r:.200} became "
                             f"{other[field]!r:.200}")
        if [(one[:2], one[4]) for one in span["links"]] != \
                [(one[:2], one[4]) for one in other["links"]]:
            words.append(f"{span['name']} links: {other['links']}")
        if (scope[0] or "none") != other_scope[0]:
            words.append(f"{span['name']} scope: {scope} became {other_scope}")
        words += [f"{span['name']} resource {key}" for key, value in resource[0].items()
                  if not key.startswith("telemetry.sdk.") and other_resource[0].get(key) != value]
    if words:
        raise AssertionError("\n".join(words[:20]))


@combination(("sdk",), ("spanring",))
def traces_made_again_in_python(provider):
    """Of the measured shape of real runs, and real ones where SPANRING_TEST_TRACES names
    their folder: the archive has every field of every span."""
    from sender import Ports
    from support import ROOT, Agent, Place
    folder = os.environ.get("SPANRING_TEST_TRACES")
    paths = sorted(pathlib.Path(folder).glob("*.jsonl")) if folder else []
    for path in [None, *paths]:
        ports = Ports()
        with Place() as place, Agent(place, *ports.arguments) as agent:
            if not path:
                path = place.disk / "generated.otlp.jsonl"
                subprocess.run([ROOT / "tests/support/generate_traces.py", path], check=True)
            with open(path, encoding="utf-8") as lines:
                original = spans.spans_of(map(json.loads, lines))
            found = replay(place, agent, provider, ports.grpc, path)
            compare_replayed(original, found)


# ---- killed ---------------------------------------------------------------------------------

def killed(place, agent, provider, port, *arguments, asked=lambda: None):
    """{name: (attributes, span)} of python_killed.py, after its death."""
    from support import check, read_archive
    with Process(place, "killed", [peers.python(), peers.HERE / "python_killed.py", *arguments],
                 **environment(place, provider, port)) as program:
        line = program.process.stdout.readline()
        check(line.startswith(b"asking"), program.log_path.read_text()[-2000:])
        asked()
        # Of the SDK nothing is known but what has ended, and it is given its time for that.
        agent.wait(lambda status: provider != "sdk" or status["receive"]["spans"] == 1,
                   "the span that has ended")
        program.process.kill()
        check(program.process.wait() == -signal.SIGKILL, "it was not killed")
    agent.wait_archived(1)
    path, = place.archives()
    found = spans.spans_of([read_archive(path)])
    return {span["name"]: span for span, _, _ in found.values()}


@combination(("spanring",), ("processor",), ("sdk",))
def python_killed_in_an_open_call(provider):
    """The prompt was set after the start. With our provider it is in the archive; our
    processor knows the span, and what was said at its start; the SDK neither."""
    from sender import Ports
    from support import Agent, Place, check
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        found = killed(place, agent, provider, ports.grpc, "plain")
        check("a step that ends" in found, f"{sorted(found)}")
        if provider == "sdk":
            check(len(found) == 1, f"{sorted(found)}")
            return
        root = found["agento.pipeline"]
        check(root["attributes"]["user_goal"] == ("string", "a goal"), f"{root}")
        call = found["llm.ask gemini" if provider == "spanring" else "llm.ask"]
        check(call["parent"] == root["id"] and call["kind"] == 3, f"{call}")
        for span in (root, call):
            check(span["status"][0] == 2 and "spanring.end.reason" in span["attributes"],
                  f"{span['name']} does not say how it ended")
        if provider == "processor":
            check("gen_ai.prompt" not in call["attributes"], "who said that?")
            return
        check(call["attributes"]["gen_ai.prompt"] == ("string", PROMPT), "the prompt")
        check(call["events"][0][0] == "asked" and len(call["links"]) == 1,
              f"{call['events']} {call['links']}")


@combination(())
def python_killed_in_an_instrumented_call():
    """Nobody wrote a line for tracing: openai's client, OpenInference's instrumentation,
    a model that does not answer, and our provider."""
    from sender import Ports
    from support import Agent, Place, check
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent, socket.socket() as model:
        model.bind(("127.0.0.1", 0))
        model.listen()
        found = killed(place, agent, "spanring", ports.grpc, "instrumented",
                       f"http://127.0.0.1:{model.getsockname()[1]}/v1",
                       asked=lambda: model.accept()[0].recv(1))
        call, = (span for span in found.values()
                 if span["attributes"].get("openinference.span.kind") == ("string", "LLM"))
        said = call["attributes"]
        # This instrumentation says the request at the start, what it made of it at the end.
        request = json.loads(said["input.value"][1])
        check(request["messages"][1]["content"] == PROMPT, f"{said}")
        check(call["parent"] == found["agento.pipeline"]["id"], "whose call it is")
        check(call["status"][0] == 2 and "spanring.end.reason" in said, f"{call['status']}")
