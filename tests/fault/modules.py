"""What the tests of traced programs share: running one of tests/modules, and
judging the archives by what it told of its own calls (tests/modules/told.h)."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from support import (Agent, PATIENCE_S, Place, Skip, attributes, check, check_ledgers,  # noqa: F401
                     main, program, read_archive, spans_of, wait_for)

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("SEED", "0") or 0)


def passed(row, text):
    print(f"row {row} passed: {text}", flush=True)


def skipped(row, reason):
    print(f"row {row} skipped: {reason}", flush=True)


def module(name):
    """A traced program of tests/modules."""
    return program(f"tests/modules/{name}")


class Told:
    """One program's lines."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.started, self.ended, self.said = {}, set(), []
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            word, _, rest = line.partition(" ")
            check(word != "fail", rest)
            if word == "start":
                trace, span, pid, name = rest.split(" ", 3)
                check(span not in self.started, f"span {span} started twice")
                self.started[span] = (trace, int(pid), name)
            elif word == "end":
                self.ended.add(rest)
            else:
                self.said.append(rest)

    def open(self):
        return set(self.started) - self.ended


def start_module(place, told, *command, wrapper=(), **environment):
    environment = place.environment(TOLD=str(told), **environment)
    return subprocess.Popen([*wrapper, module(command[0]), *map(str, command[1:])],
                            env=environment, cwd=place.memory, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)


def run_module(place, told, *command, status=0, timeout=120, wrapper=(), **environment):
    """Runs a program to its end and returns what it told."""
    process = start_module(place, told, *command, wrapper=wrapper, **environment)
    try:
        output, _ = process.communicate(b"", timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    check(process.returncode == status,
          f"{command} left with {process.returncode}, not {status}: {output[-500:]}\n"
          f"{Told(told).said[-5:]}")
    return Told(told)


def archived_spans(archives):
    """{span id: span} of all archives; every one is there once."""
    found = {}
    for path in archives:
        for span, _, _ in spans_of(read_archive(path, judge=False)):
            check(found.setdefault(span["spanId"], span) is span,
                  f"span {span['spanId']} is archived twice")
    return found


def end_reason(span):
    return attributes(span).get("spanring.end.reason")


def check_told(told, archives, strangers=False):
    """Every accepted span is archived exactly once, in its trace and by its name,
    ended by itself if and only if its end was accepted; nothing else is there."""
    found = archived_spans(archives)
    for span_id, (trace, pid, name) in told.started.items():
        check(span_id in found, f"'{name}' of process {pid} was accepted and is lost")
        span = found[span_id]
        check(span["traceId"] == trace and span["name"] == name, f"'{name}' is mixed up")
        check((end_reason(span) is None) == (span_id in told.ended),
              f"'{name}' of process {pid}: ended {span_id in told.ended}, "
              f"archived as {end_reason(span)}")
    if not strangers:
        extra = [found[span_id]["name"] for span_id in found if span_id not in told.started]
        check(not extra, f"spans that nobody started: {extra[:5]}")
    return found


def finish(agent, place, told, **how):
    """Waits until everything is archived; judges; returns the spans. I1, I3, I10."""
    status = agent.wait_archived(timeout=60)
    check_ledgers(status)
    found = check_told(told, place.archives(), **how)
    check(status["spans"]["finished"] == status["archive"]["archived"],
          "the ledgers of spans and archive disagree")
    left = sorted(path.name for path in place.ring.iterdir())
    check(left == ["agent.page", "agent.sock"], f"left in the ring directory: {left}")
    return found
