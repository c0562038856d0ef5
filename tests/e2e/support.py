"""What the end-to-end tests share: a place to work in, the agent, its status,
the independent gRPC server, and a reader of archives that believes nothing.

Nothing here waits for a time to pass: everything waits for a condition, and
gives up after a time that only a broken build needs.
"""
import atexit
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import check
from summary import check_summary, take_summary

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
PATIENCE_S = 30
POLL_S = 0.01
IDS = ("traceId", "spanId", "parentSpanId")


class Skip(Exception):
    """The test cannot run here; the text says why."""


def wait_for(question, what, timeout=PATIENCE_S):
    """Asks until the answer is true, and returns it."""
    until = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout} s for: {what}")
        time.sleep(POLL_S)


def program(name):
    path = BUILD / name
    check(path.exists(), f"{path} was not built")
    return str(path)


def tool(name):
    """A C program of tests/e2e."""
    return program(f"tests/e2e/{name}")


def for_every_user(path):
    """A program where every user can run it: a checkout may lie in a closed home."""
    path = pathlib.Path(path)
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents):
        return str(path)
    folder = tempfile.mkdtemp(prefix="spanring-e2e-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    return shutil.copy(path, folder)


# ---- a place to work in ------------------------------------------------------

def runners_name():
    name = pathlib.Path(tempfile.gettempdir()).name
    return name if name.startswith("spanring-") else "spanring-e2e"


class Place:
    """Directories of one agent, removed at the end: rings on tmpfs, the rest in
    TMPDIR, or on tmpfs too where the disk's speed would be what is tested."""

    def __init__(self, on_tmpfs=False):
        check(os.access("/dev/shm", os.W_OK), "/dev/shm is not writable")
        # Under the name of the runner's directory, which then finds it if this
        # process is killed; not in it, where other users cannot go.
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix=runners_name() + "-",
                                                    dir="/dev/shm"))
        self.disk = self.memory if on_tmpfs else pathlib.Path(
            tempfile.mkdtemp(prefix="spanring-e2e-"))
        self.ring = self.memory / "ring"
        self.state = self.disk / "state"
        self.archive = self.disk / "archive"
        self.log = self.disk / "agent.log"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and self.log.exists():
            print(f"--- the agent's log ---\n{self.log.read_text(errors='replace')[-3000:]}")
        shutil.rmtree(self.memory, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)

    def environment(self, **more):
        """For a traced process: nothing of the caller's tracing is left."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("OTEL_", "SPANRING_", "TRACE"))}
        return {**kept, "SPANRING_DIR": str(self.ring), **more}

    def archives(self):
        return sorted(self.archive.glob("*.otlp.json"))


# ---- the agent ---------------------------------------------------------------

class UnixConnection(http.client.HTTPConnection):
    """HTTP over the agent's unix socket."""

    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(ring_dir, page):
    """(HTTP status, content) of a page, or None while nobody answers there."""
    connection = UnixConnection(ring_dir / "agent.sock")
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ask_status(ring_dir):
    """The agent's status, or None while nobody answers there."""
    answer = ask(ring_dir, "/status")
    return json.loads(answer[1]) if answer and answer[0] == 200 else None


class Agent:
    """spanringd on a place. Runs are sealed soon, spans leave soon; they leave for the
    endpoint, or, if it `exports`, for where its file or environment says."""

    def __init__(self, place, *arguments, endpoint=None, exports=False, environment=None,
                 quick=True):
        self.place = place
        self.process = None
        self.rings_before = []
        self.command = [program("spanringd"), "--ring-dir", str(place.ring),
                        "--state-dir", str(place.state), "--archive-dir", str(place.archive)]
        if endpoint:
            self.command += ["--endpoint", endpoint]
        elif not exports:
            self.command += ["--no-export"]
        if quick:
            self.command += ["--set", "archive.idle_timeout=500ms",
                             "--set", "export.delay=50ms"]
        self.command += arguments
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("OTEL_", "SPANRING_", "TRACE"))}
        self.environment.update(environment or {})

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self):
        with open(self.place.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment)
        wait_for(self.answers, "the agent's first status")
        return self

    def answers(self):
        check(self.process.poll() is None,
              f"the agent left with {self.process.returncode} instead of serving")
        status = ask_status(self.place.ring)
        return status if status and status["agent"]["pid"] == self.process.pid else None

    def status(self):
        return wait_for(self.answers, "the agent's status")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=PATIENCE_S):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def log(self):
        return self.place.log.read_text(errors="replace")

    def wait(self, question, what, timeout=PATIENCE_S):
        """Until question(status) is true; returns that status."""
        last = {}

        def ask():
            # Looked for before the status is taken: a ring that is found and
            # removed in between must not look like one that never was.
            self.rings_before = list(self.place.ring.glob("*.ring"))
            last["status"] = self.status()
            return question(last["status"]) and last["status"]
        try:
            return wait_for(ask, what, timeout)
        except AssertionError:
            print(f"--- the last status ---\n{json.dumps(last.get('status'))[:4000]}")
            raise

    def wait_archived(self, runs=None, timeout=PATIENCE_S):
        """Until no ring, open span or unsealed run is left."""
        def archived(status):
            return (not self.rings_before and not status["rings"] and idle(status)
                    and (runs is None or status["archive"]["sealed"] >= runs))
        return self.wait(archived, "everything archived", timeout)

    def wait_sent(self, timeout=PATIENCE_S):
        return self.wait(lambda status: all(
            destination["unsent"] == 0 for destination in status["export"]),
            "everything sent", timeout)

    def memory_kib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1))

    def cpu_seconds(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def idle(status):
    return (status["spans"]["open"] == 0 and status["archive"]["open_runs"] == 0
            and status["archive"]["waiting"] == 0
            # What the log holds and the archive was not handed yet waits nowhere.
            and not status["archive"]["behind"])


def check_ledgers(status):
    """Every term is counted where it happens; here they are put side by side.
    The status was taken when nothing was being written any more."""
    for ring in status["rings"]:
        check(ring["written"] == ring["drained"] + ring["held"] + ring["dropped_abandoned"]
              + ring["dropped_damaged"] + ring["dropped_too_large"], f"a ring's records do not add up: {ring}")
    records = status["records"]
    check(records["handed_in"] == records["applied"] + records["parked"]
          + sum(count for name, count in records.items() if name.startswith("dropped_")),
          f"the records do not add up: {records}")
    for destination in status["export"]:
        check(destination["pushed"] == destination["sent"] + destination["waiting"]
              + destination["rejected"] + destination["dropped_too_large"],
              f"a destination's spans do not add up: {destination}")
    check_totals(status)
    archive = status.get("archive")
    if archive:
        check(archive["spans"] + archive["recovered"] == archive["archived"]
              + archive["waiting"] + archive["dropped_filtered"] + archive["dropped_lost"]
              + archive["dropped_superseded"],
              f"the archive's spans do not add up: {archive}")


def check_totals(status):
    """The ledgers since the log began, over every agent that served it."""
    ledger = status["ledger"]
    check_sum(ledger["records"], "written")
    check_spans(ledger["spans"])
    for destination in ledger["export"]:
        check_sum(destination, "finished")
    archive = ledger.get("archive")
    if archive:
        check_sum({name: count for name, count in archive.items()
                   if name not in ("dropped_filtered", "dropped_lost")}, "finished")
    for run in ledger["runs"]:
        check_spans(run)


def check_sum(part, whole):
    check(part[whole] == sum(count for name, count in part.items()
                             if name != whole and isinstance(count, int)),
          f"this does not add up: {part}")


def check_spans(part):
    check(part["started"] + part["received"] + part["found_again"] + part["corrected"] == part["finished"]
          + part["open"] + part["dropped_invalid"] + part["lost_in_log"],
          f"spans do not add up: {part}")


# ---- a traced process that does what it is told --------------------------------

class Puppet:
    """tests/e2e/puppet.c: one command per line, one answer per command."""

    def __init__(self, place, command=(), cwd=None, **environment):
        self.process = subprocess.Popen(command or [tool("puppet")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1, cwd=cwd,
                                        env=place.environment(**environment))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def tell(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        check(answer, f"the puppet died at {words}")
        check(answer[0] == "ok", f"{words}: {answer}")
        return answer[1:]

    def leave(self):
        self.process.stdin.close()
        check(self.process.wait(PATIENCE_S) == 0, "the puppet's exit status")


# ---- the independent server ----------------------------------------------------

def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def stubs():
    """Python's messages, generated from proto/ by the build."""
    directory = BUILD / "gen" / "python"
    if not (directory / "stamp").exists():
        directory = BUILD / "gen" / "python-e2e"
        directory.mkdir(parents=True, exist_ok=True)
        proto = ROOT / "proto"
        sources = [str(path) for path in proto.rglob("*.proto")
                   if "google/protobuf" not in path.as_posix()]
        subprocess.run(["protoc", f"-I{proto}", f"--python_out={directory}", *sources],
                       check=True)
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    return directory


class Server:
    """gRPC for Python; what it accepted is in a file as it came."""

    def __init__(self, place, *arguments, port=0):
        try:
            import grpc  # noqa: F401
        except ImportError:
            raise Skip("python3-grpcio is not installed") from None
        self.out = place.disk / f"received-{time.monotonic_ns()}"
        self.command = ["/usr/bin/python3", str(ROOT / "tests/support/otlp_server.py"),
                        "--stubs", str(stubs()), "--out", str(self.out), "--format", "raw",
                        "--port", str(port), *arguments]
        self.process = None
        self.port = port

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        first = self.process.stdout.readline()
        check(first.strip().isdigit(), "the gRPC server did not start")
        self.port = int(first)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def requests(self):
        stubs()
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
        if not self.out.exists():
            return
        with open(self.out, "rb") as received:
            while len(head := received.read(4)) == 4:
                size, = struct.unpack(">I", head)
                raw = received.read(size)
                if len(raw) < size:
                    return
                yield trace_service_pb2.ExportTraceServiceRequest.FromString(raw)

    def spans(self):
        """Raw protobuf spans, in order of arrival."""
        for request in self.requests():
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans

    def documents(self):
        """Each request as OTLP/JSON, by protobuf's own printer."""
        from google.protobuf import json_format
        for request in self.requests():
            yield convert_ids(json_format.MessageToDict(request, use_integers_for_enums=True),
                              lambda text: base64.b64decode(text).hex())


# ---- archives --------------------------------------------------------------------

def convert_ids(value, convert):
    if isinstance(value, list):
        return [convert_ids(item, convert) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: convert(item) if name in IDS else convert_ids(item, convert)
            for name, item in value.items()}


def spans_of(document):
    """(span, resource, scope) of a TracesData or a request."""
    for resource_spans in document.get("resourceSpans", []):
        for scope_spans in resource_spans.get("scopeSpans", []):
            for span in scope_spans.get("spans", []):
                yield span, resource_spans.get("resource", {}), scope_spans.get("scope", {})


def attributes(holder):
    """Attributes as a dict of plain values; keys must be unique."""
    found = {}
    for attribute in holder.get("attributes", []):
        check(attribute["key"] not in found, f"attribute {attribute['key']} twice")
        (kind, value), = attribute["value"].items()
        found[attribute["key"]] = int(value) if kind == "intValue" else value
    return found


def check_value(value):
    check(isinstance(value, dict) and len(value) == 1, f"A5: {value!r:.80}")
    for kind, inner in value.items():
        if kind == "intValue":
            check(isinstance(inner, str), "A9: an int is not a string")
        if kind == "arrayValue":
            for item in inner.get("values", []):
                check_value(item)
        if kind == "kvlistValue":
            check_attributes(inner.get("values", []))


def check_attributes(members):
    check(isinstance(members, list), "A5: attributes are not a list")
    keys = [member["key"] for member in members]
    check(len(keys) == len(set(keys)), f"a key twice in {keys}")
    for member in members:
        check_value(member["value"])


def check_span(span):
    check(re.fullmatch("[0-9a-f]{32}", span["traceId"]), "A8: trace id")
    check(re.fullmatch("[0-9a-f]{16}", span["spanId"]), "A8: span id")
    check(re.fullmatch("([0-9a-f]{16})?", span.get("parentSpanId", "")), "A8: parent's id")
    check(span["name"], "a span without a name")
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        check(isinstance(span[name], str), f"A9: {name}")
    check(int(span["endTimeUnixNano"]) >= int(span["startTimeUnixNano"]), "ends before it starts")
    check(isinstance(span.get("kind", 0), int), "rule 37: kind")
    check(isinstance(span.get("status", {}).get("code", 0), int), "rule 37: status")
    check_attributes(span.get("attributes", []))
    for event in span.get("events", []):
        check_attributes(event.get("attributes", []))


def check_groups(document):
    """A12: one entry per resource and scope, by their earliest span, spans by time."""
    resources = [json.dumps(entry["resource"]) for entry in document["resourceSpans"]]
    check(len(resources) == len(set(resources)), "A12: a resource twice")
    earliest = []
    for entry in document["resourceSpans"]:
        scopes = [json.dumps(scope.get("scope")) for scope in entry["scopeSpans"]]
        check(len(scopes) == len(set(scopes)), "A12: a scope twice")
        starts = [[int(span["startTimeUnixNano"]) for span in scope["spans"]]
                  for scope in entry["scopeSpans"]]
        for times in starts:
            check(times == sorted(times), "A12: spans out of order")
        first = [times[0] for times in starts]
        check(first == sorted(first), "A12: scopes out of order")
        earliest.append(first[0])
    check(earliest == sorted(earliest), "A12: resources out of order")


def read_archive(path, judge=True):
    """The document, after all archive rules that a reader can see, without its summary."""
    raw = pathlib.Path(path).read_bytes()
    check(raw.startswith(b'{"resourceSpans":['), "A1, A3, A13: how the file begins")
    check(raw.endswith(b"\n") and raw.count(b"\n") == 1, "A2, A11: not one line")
    text = raw[:-1].decode("utf-8")
    check(not re.search("[\x00-\x1f\x85\u2028\u2029]", text), "A6: a character not escaped")
    document = json.loads(text)
    spans = [span for span, _, _ in spans_of(document)]
    check(spans, "an archive without spans")
    for span in spans:
        check_span(span)
    check(len({span["traceId"] for span in spans}) == 1, "A10: two traces in a file")
    ids = [span["spanId"] for span in spans]
    check(len(ids) == len(set(ids)), "a span twice in a file")
    check_groups(document)
    if judge:
        parse_by_protobuf(document)
    check_summary(document, take_summary(document))
    return document


def summary_of(path):
    """What the file's summary says."""
    return take_summary(json.loads(pathlib.Path(path).read_bytes()))


def parse_by_protobuf(document, message=None):
    """protobuf's json_format is the judge; it wants ids in base64. Without a message the
    document is a TracesData."""
    stubs()
    from google.protobuf import json_format
    from opentelemetry.proto.trace.v1 import trace_pb2
    return json_format.ParseDict(
        convert_ids(document, lambda text: base64.b64encode(bytes.fromhex(text)).decode()),
        trace_pb2.TracesData() if message is None else message)


# ---- running ------------------------------------------------------------------------

BROKEN = []  # what ended a thread of the test that runs


def broken(args):
    """A thread that ends by an exception fails its test: nobody else sees it."""
    BROKEN.append(f"{args.thread.name if args.thread else 'a thread'}: {args.exc_value!r}")
    threading.__excepthook__(args)


def main(namespace):
    """Runs the functions named test_*, in order, and reports as cmocka does."""
    threading.excepthook = broken
    tests = [item for name, item in namespace.items()
             if name.startswith("test_") and callable(item)]
    wanted = sys.argv[1:]
    failed, skipped, reasons = [], [], []
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        began = time.monotonic()
        BROKEN.clear()
        try:
            test()
            check(not BROKEN, f"threads that broke: {BROKEN}")
            verdict = "      OK"
        except Skip as reason:
            skipped.append(test.__name__)
            reasons.append(str(reason))
            verdict = f" SKIPPED ({reason})"
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc(file=sys.stdout)
            failed.append(test.__name__)
            verdict = "  FAILED"
        print(f"[{verdict} ] {test.__name__} {time.monotonic() - began:.1f} s", flush=True)
    ran = len(wanted or tests)
    if skipped and len(skipped) == ran:
        print(reasons[0])
        sys.exit(77)
    print(f"[  PASSED  ] {ran - len(failed) - len(skipped)} test(s).")
    if skipped:
        print(f"[  SKIPPED ] {len(skipped)} test(s).")
    if failed:
        print(f"[  FAILED  ] {len(failed)} test(s).")
    sys.exit(1 if failed else 0)
