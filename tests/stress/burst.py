#!/usr/bin/python3
"""More spans than an agent can take in at once, from writers that note every
answer they got (tests/stress/burst_writer.c), against what is archived.

    tests/stress/burst.py [--build BUILD] [--seed N] [--scale 1.0] [ROW...]

B1  a burst into rings that are large enough: nothing is refused, all is archived
B2  the same with the default ring: nobody waits, every refusal is counted
B3  a flooder beside ten modules: theirs is archived while it still floods
B4  writers killed at random all the time: what was accepted is archived

A million spans each at scale 1. Rates are printed, and never judged. The plan
follows from the seed; the archives are read by Python's JSON alone.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

MAGIC, EVENT_EVERY, LARGE = 0x62757273, 16, 800_000
CALLED, STARTED, REFUSED, VALUE, NO_VALUE, EVENT, NO_EVENT, ENDED = (1 << n for n in range(8))
HEADER = struct.Struct("=8I5Q")
QUANTILES = ((10, 3), (250, 5), (500, 16), (750, 436), (900, 2343), (950, 3884),
             (990, 7247), (1000, 37487))
STOP_OFFSET = 16
SEED = 20261127
PATIENCE_S = 120
MASK = (1 << 64) - 1


# ---- the plan, once more -------------------------------------------------------

def mix(x):
    x = x + 0x9e3779b97f4a7c15 & MASK
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def value_length(drawn):
    if (drawn >> 32) % 20000 == 0:
        return LARGE
    at = drawn % 1000
    before = QUANTILES[0]
    for quantile in QUANTILES[1:]:
        if at < quantile[0]:
            break
        before = quantile
    return before[1] + ((quantile[1] - before[1]) * max(at - before[0], 0)
                        // (quantile[0] - before[0]))


def value_of(seed, process, thread, n):
    length = value_length(mix(seed ^ mix(process << 40 | thread << 32 | n)))
    stamp = f"{process}.{thread}.{n};"
    return (stamp * (length // len(stamp) + 1))[:length]


# ---- writers -------------------------------------------------------------------

class Writer:
    """A burst_writer and its notes."""

    def __init__(self, place, seed, number, threads, spans, pause_us=0, refused_us=0,
                 kill_us=None, **environment):
        self.seed, self.number, self.threads, self.spans = seed, number, threads, spans
        self.killed = kill_us is not None
        self.accepted = 0
        self.notes = place.memory / f"{number}.notes"
        command = [program("tests/stress/burst_writer"), self.notes, seed, number, threads,
                   spans, pause_us, refused_us] + ([kill_us] if self.killed else [])
        self.process = subprocess.Popen([str(word) for word in command],
                                        stdin=subprocess.DEVNULL,
                                        env=place.environment(**environment))

    def wait(self, timeout=PATIENCE_S):
        code = self.process.wait(timeout)
        allowed = (0, -signal.SIGKILL) if self.killed else (0,)
        check(code in allowed, f"writer {self.number} left with {code}")
        return self

    def stop(self):
        with open(self.notes, "r+b") as notes:
            notes.seek(STOP_OFFSET)
            notes.write(struct.pack("=I", 1))

    def end(self):
        """Whatever happens, nothing is left running."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def header(self):
        try:
            with open(self.notes, "rb") as notes:
                fields = HEADER.unpack(notes.read(HEADER.size))
        except (FileNotFoundError, struct.error):
            return None
        names = ("magic", "process", "threads", "spans", "stop", "errors", "done", "run_spans",
                 "refused", "ends_lost", "waited", "wall_ns", "call_ns_max")
        return dict(zip(names, fields)) if fields[0] == MAGIC else None

    def refused_calls(self):
        header = self.header()
        return header["refused"] if header else 0

    def marks(self):
        """Of each thread one bytes, a byte a span."""
        if not self.header():
            return []
        raw = self.notes.read_bytes()[HEADER.size:]
        return [raw[t * self.spans:(t + 1) * self.spans] for t in range(self.threads)]


def expect_of(found, accepted, refused, is_last, what):
    """Whether something is archived, against what its call answered; a call that
    has not answered is the last one of a thread that was killed."""
    if accepted:
        check(found, f"{what} was accepted and is lost")
    elif refused:
        check(not found, f"{what} was refused and is archived")
    else:
        check(is_last or not found, f"{what} was never called and is archived")


def check_span_of(writer, thread, n, mark, is_last, span):
    """One archived span, or None, against its byte of the notes."""
    what = f"span {writer.number}.{thread}.{n}"
    expect_of(span is not None, mark & STARTED, mark & REFUSED, is_last, what)
    if span is None:
        return
    found = {item["key"]: item["value"] for item in span.get("attributes", ())}
    check(len(found) == len(span.get("attributes", ())), f"{what}: a key twice")
    value = found.pop("value", None)
    expect_of(value is not None, mark & VALUE, mark & NO_VALUE, is_last, f"the value of {what}")
    check(value is None or value["stringValue"] == value_of(writer.seed, writer.number,
                                                            thread, n),
          f"the value of {what} is not what was set")
    events = [event["name"] for event in span.get("events", ())
              if event["name"] != "process.died"]
    check(events in ([], ["event"]), f"{what} has the events {events}")
    expect_of(bool(events), mark & EVENT, mark & NO_EVENT, is_last, f"the event of {what}")
    check(all(key.startswith("spanring.") for key in found), f"{what}: {list(found)}")
    reason = found.get("spanring.end.reason", {}).get("stringValue")
    if mark & ENDED:
        check(reason in (None, "end_lost"), f"{what} was ended and is closed as {reason}")
    else:
        check(writer.killed, f"{what} was never ended")


def check_notes(writers, spans):
    """Every call's note against the archives' spans {(process, thread, n): span}.
    Returns how many spans were accepted for certain."""
    left = dict(spans)
    for writer in writers:
        header = writer.header()
        check(header or writer.killed, f"writer {writer.number} left no notes")
        check(not header or header["errors"] == 0,
              f"writer {writer.number}: a call failed for a reason of its own")
        check(not header or header["waited"] == 0, f"writer {writer.number} waited for room")
        for thread, marks in enumerate(writer.marks()):
            writer.accepted += sum(bool(mark & STARTED) for mark in marks)
            called = len(marks.rstrip(b"\0"))
            for n, mark in enumerate(marks[:called]):
                span = left.pop((writer.number, thread, n), None)
                check_span_of(writer, thread, n, mark, writer.killed and n == called - 1, span)
    check(not left, f"spans that nobody started: {list(left)[:5]}")
    return sum(writer.accepted for writer in writers)


# ---- what is archived ------------------------------------------------------------

def read_archives(place, keep):
    """{key: keep's spans} of all files, each span in one file and once."""
    spans, ids = {}, set()
    for path in place.archives():
        with open(path, "rb") as file:
            document = json.load(file)
        for resource in document["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    key = tuple(map(int, re.fullmatch(r"burst (\d+)\.(\d+)\.(\d+)",
                                                      span["name"]).groups()))
                    check(key not in spans, f"span {key} twice")
                    check((span["traceId"], span["spanId"]) not in ids, "a span's id twice")
                    ids.add((span["traceId"], span["spanId"]))
                    spans[key] = keep(key, span)
    return spans


def refused_in(status):
    """Refusals by reason, of the living rings and the dead."""
    total = dict(status["drain"]["refused"])
    for ring in status["rings"]:
        for reason, count in ring["refused"].items():
            total[reason] = total.get(reason, 0) + count
    return total


def agent_cost(agent):
    """CPU seconds and the greatest resident set in MiB, as the kernel has them."""
    fields = pathlib.Path(f"/proc/{agent.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    text = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu, int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) / 1024


def settle(agent, place, writers, patience=PATIENCE_S):
    """When everything is archived: ledgers, notes and files side by side.
    Returns (accepted, refused, a line of figures)."""
    status = agent.wait_archived(timeout=patience)
    cpu_s, memory_mib = agent_cost(agent)
    check_ledgers(status)
    agent.stop()
    spans = read_archives(place, lambda key, span: span)
    accepted = check_notes(writers, spans)
    headers = [header for writer in writers if (header := writer.header())]
    check(accepted <= len(spans) <= accepted + sum(writer.killed * writer.threads
                                                   for writer in writers),
          f"{accepted} accepted, {len(spans)} archived")
    for name, count in (("spans.started", status["spans"]["started"]),
                        ("spans.finished", status["spans"]["finished"]),
                        ("archive.archived", status["archive"]["archived"])):
        check(count == len(spans), f"{name} is {count}, the files hold {len(spans)} spans")
    refused = sum(header["refused"] for header in headers)
    if not any(writer.killed for writer in writers):
        counted = refused_in(status)
        lost = sum(header["ends_lost"] for header in headers)
        check(counted.pop("ring_full", 0) == refused, f"{refused} calls were refused, the "
              f"agent knows of {refused_in(status)}")
        check(counted.pop("end_lost", 0) == lost, f"{lost} ends found no room, the agent "
              f"knows of {refused_in(status)}")
        check(not counted, f"refused for no reason: {counted}")
    for name, count in status["records"].items():
        check(not name.startswith("dropped_") or count == 0, f"{name}: {count}")
    rate = sum(writer.accepted * 1e9 / header["wall_ns"] for writer in writers
               if (header := writer.header()) and header["wall_ns"])
    longest = max((header["call_ns_max"] for header in headers), default=0)
    size = sum(path.stat().st_size for path in place.archives())
    line = (f"{len(spans)} spans archived in {len(place.archives())} files of {size >> 20} MiB, "
            f"{refused} calls refused; {rate:.0f} accepted a second, agent "
            f"{cpu_s * 1e6 / max(len(spans), 1):.1f} us CPU a span, {memory_mib:.0f} MiB at most, "
            f"longest start {longest / 1000:.0f} us CPU")
    return accepted, refused, line


# ---- the rows --------------------------------------------------------------------

PROCESSES, THREADS = 4, 2


class Burst:
    """A place, an agent and its writers; all end with the block."""

    def __init__(self, *arguments):
        self.place = Place(on_tmpfs=True)
        self.agent = Agent(self.place, *arguments)
        self.writers = []

    def __enter__(self):
        self.place.__enter__()
        try:
            self.agent.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *why):
        for writer in self.writers:
            writer.end()
        self.agent.__exit__(*why)
        self.place.__exit__(*why)

    def write(self, seed, threads, spans, **more):
        writer = Writer(self.place, seed, len(self.writers) + 1, threads, spans, **more)
        self.writers.append(writer)
        return writer

    def settle(self, patience):
        return settle(self.agent, self.place, self.writers, patience)


def row_b1(seed, scale, patience):
    """Large rings: nothing may be refused, however far the agent is behind."""
    spans = int(1_000_000 * scale) // (PROCESSES * THREADS)
    with Burst() as burst:
        for _ in range(PROCESSES):
            burst.write(seed, THREADS, spans, SPANRING_RING_MAX="1G")
        for writer in burst.writers:
            writer.wait(patience)
        accepted, refused, line = burst.settle(patience)
        check(refused == 0, f"{refused} calls refused although there was room")
        check(accepted == spans * PROCESSES * THREADS, f"only {accepted} spans accepted")
        return line


def row_b2(seed, scale, patience):
    """The default ring. The agent stands still until somebody was refused, so
    that there is something to count, then it catches up."""
    spans = int(1_000_000 * scale) // (PROCESSES * THREADS)
    ring = {} if scale >= 0.5 else {"SPANRING_RING_MAX": "4M"}
    with Burst() as burst:
        burst.agent.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(PROCESSES):
                burst.write(seed, THREADS, spans, **ring)
            wait_for(lambda: sum(writer.refused_calls() for writer in burst.writers) > 0
                     or all(writer.process.poll() is not None for writer in burst.writers),
                     "the first refusal", patience)
        finally:
            burst.agent.process.send_signal(signal.SIGCONT)
        for writer in burst.writers:
            writer.wait(patience)
        accepted, refused, line = burst.settle(patience)
        check(refused > 0, "nothing was refused: the row shows nothing")
        check(accepted > 0, "everything was refused")
        return line


MODULES = 10


def names_in(path):
    return set(re.findall(rb'"name":"burst (\d+)\.', path.read_bytes()))


def row_b3(seed, scale, patience):
    """A flooder whose runs end all the time, and modules that keep their pace."""
    with Burst() as burst:
        flooder = burst.write(seed, 8, 2_000_000, refused_us=1000,
                              pause_us=0 if scale >= 0.5 else 100)
        wait_for(flooder.header, "the flooder's notes", patience)
        modules = [burst.write(seed, 1, 100, pause_us=1000) for _ in range(MODULES)]
        for module in modules:
            module.wait(patience)
        wanted = {str(module.number).encode() for module in modules}
        seen = {}

        def archived():
            for path in burst.place.archives():
                if path not in seen:
                    seen[path] = names_in(path)
            return wanted <= set().union(set(), *seen.values())
        wait_for(archived, "the modules' runs in the archive", patience)
        flooding = flooder.process.poll() is None
        flooder.stop()
        flooder.wait(patience)
        _, _, line = burst.settle(patience)
        for module in modules:
            check(module.refused_calls() == 0, f"module {module.number} was refused something")
        return f"{line}; the flooder was {'still flooding' if flooding else 'done'} when the " \
               f"{MODULES} modules' runs were archived"


def row_b4(seed, scale, patience):
    """Two at a time, each killed when its drawn time is over."""
    lives, spans = max(int(2000 * scale), 40), 40_000
    with Burst() as burst:
        living = []
        for life in range(lives):
            kill_us = 300 + mix(seed + life) % 6_000
            living.append(burst.write(seed, 2, spans, kill_us=kill_us))
            if len(living) == 2:
                living.pop(0).wait(patience)
        for writer in living:
            writer.wait(patience)
        killed = sum(writer.process.returncode != 0 for writer in burst.writers)
        _, _, line = burst.settle(patience)
        check(killed > 0, "nobody was killed: the row shows nothing")
        return f"{killed} of {lives} writers killed; {line}"


ROWS = {"B1": row_b1, "B2": row_b2, "B3": row_b3, "B4": row_b4}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or SEED))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--patience", type=float, default=600.0, help="seconds")
    parser.add_argument("row", nargs="*", help="B1 to B4; all of them if none is named")
    arguments = parser.parse_args()
    for name in arguments.row or ROWS:
        if name not in ROWS:
            parser.error(f"{name} is none of {', '.join(ROWS)}")
        began = time.monotonic()
        line = ROWS[name](arguments.seed, arguments.scale, arguments.patience)
        print(f"row {name} passed: seed {arguments.seed}, {time.monotonic() - began:.1f} s: {line}",
              flush=True)


from support import Agent, Place, check, check_ledgers, program, wait_for  # noqa: E402

if __name__ == "__main__":
    main()
