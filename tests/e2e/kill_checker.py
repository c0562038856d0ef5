"""Recomputes from the writers' own notes what the archives must hold.

The plan that tests/e2e/kill_writer.c follows is described in kill_notes.h. An
accepted call is in the archive exactly once and in its order; a refused one is
not; of a call in progress when the process was killed either is right, and each
thread has at most one.
"""
import pathlib
import struct

from support import attributes, check, read_archive, spans_of

MAGIC, CALLS_MAX, CYCLE = 0x6B696C6C, 32768, 8
LARGE, LARGE_EVERY, LARGE_AT = 800_000, 1000, 643
LONG, LONG_EVERY, LONG_AT = 7247, 100, 58
NOT_CALLED, CALLED, RETURNED, REFUSED = range(4)
HEADER = struct.Struct("=7I")
ERROR, OK, UNSET = 2, 1, 0


def value_of(life, thread, n):
    large = life % 4 == 0 and n % LARGE_EVERY == LARGE_AT
    long = n % LONG_EVERY == LONG_AT
    length = LARGE if large else LONG if long else 12 + n * 37 % 400
    stamp = f"{life}.{thread}.{n};"
    return (stamp * (length // len(stamp) + 1))[:length]


class Life:
    """One process's notes."""

    def __init__(self, path):
        raw = path.read_bytes()
        magic, self.number, self.note, _, _, self.errors, threads = HEADER.unpack_from(raw)
        check(magic == MAGIC, f"{path} holds no notes")
        check(self.errors == 0, f"life {self.number} could not be traced")
        self.trace = f"e2ee{0:020x}" + struct.pack("=I", self.number).hex()
        self.calls = []
        for thread in range(threads):
            notes = raw[HEADER.size + thread * CALLS_MAX:][:CALLS_MAX]
            notes = notes[:notes.index(0)] if 0 in notes else notes
            check(CALLED not in notes[:-1], "a thread in two calls at a time")
            self.calls.append(notes)

    def refused(self):
        return sum(notes.count(REFUSED) for notes in self.calls)

    def in_progress(self):
        return sum(notes.count(CALLED) for notes in self.calls)


def read_lives(directory):
    return [Life(path) for path in sorted(pathlib.Path(directory).glob("*.notes"))]


def is_one_of(found, note, what):
    """Whether something is archived, against the note of its call."""
    if note == RETURNED:
        check(found, f"{what} was accepted and is lost")
    if note in (NOT_CALLED, REFUSED):
        check(not found, f"{what} was never accepted and is archived")


def check_cycle(life, thread, first, notes, span):
    """One cycle's calls, from its start at number `first`."""
    where = f"life {life.number}, thread {thread}, cycle {first}"
    is_one_of(span is not None, notes[0], f"{where}: the span")
    if span is None:
        return
    found = attributes(span)
    check(found.pop("thread") == thread and found.pop("n") == first, f"{where}: mixed up")
    own = [key for key in found if not key.startswith("spanring.")]
    check(own == sorted(own, key=lambda key: int(key[1:])), f"{where}: attributes out of order")
    for n in range(first + 1, first + 5):
        is_one_of(f"a{n}" in found, notes[n - first], f"{where}: attribute {n}")
        check(f"a{n}" not in found or found.pop(f"a{n}") == value_of(life.number, thread, n),
              f"{where}: the value of attribute {n} is not what was set")
    events = [event for event in span.get("events", []) if event["name"] != "process.died"]
    is_one_of(len(events) == 1, notes[5], f"{where}: the event")
    check(all(event["name"] == f"e{first + 5}" and attributes(event) == {"n": first + 5}
              for event in events) and len(events) <= 1, f"{where}: an event is wrong")
    reason = found.pop("spanring.end.reason", None)
    check(all(key.startswith("spanring.") for key in found), f"{where}: {list(found)} added")
    is_one_of(reason is None, notes[7], f"{where}: the end")
    check_status(where, span, notes[6], reason)


def check_status(where, span, note, reason):
    code = span.get("status", {}).get("code", UNSET)
    if reason is None:
        is_one_of(code == OK, note, f"{where}: the status")
        check(code in (OK, UNSET), f"{where}: status {code} of a span that was ended")
    elif reason != "process_exit":
        check(code == ERROR or note in (RETURNED, CALLED) and code == OK,
              f"{where}: closed by {reason} with status {code}")


def check_life_span(life, span):
    reason = attributes(span).get("spanring.end.reason")
    if reason is not None:
        check(reason not in ("", "process_exit"), f"life {life.number}: closed as {reason}")
        check(span["status"]["code"] == ERROR, f"life {life.number}: not an error")
        bounds = attributes(span)
        check(bounds["spanring.died_after_unix_nano"] <= bounds["spanring.died_before_unix_nano"],
              f"life {life.number}: died before it was seen alive")


def check_life(life, document):
    """Returns the number of spans of this life."""
    spans = [] if document is None else [span for span, _, _ in spans_of(document)]
    root = [span for span in spans if span["name"] == "life"]
    check(len(root) <= 1, f"life {life.number}: two of its own spans")
    is_one_of(bool(root), life.note, f"life {life.number}: its own span")
    if root:
        check_life_span(life, root[0])
    by_thread = [{} for _ in life.calls]
    for span in spans:
        if span["name"] != "life":
            by_name = by_thread[attributes_int(span, "thread")]
            check(by_name.setdefault(span["name"], span) is span, f"{span['name']} twice")
    for thread, notes in enumerate(life.calls):
        for first in range(0, len(notes), CYCLE):
            cycle = notes[first:first + CYCLE].ljust(CYCLE, b"\0")
            check_cycle(life, thread, first, cycle, by_thread[thread].pop(f"cycle {first}", None))
        check(not by_thread[thread], f"life {life.number}: spans nobody started: "
              f"{list(by_thread[thread])}")
    return len(spans)


def attributes_int(span, key):
    for attribute in span["attributes"]:
        if attribute["key"] == key:
            return int(attribute["value"]["intValue"])
    raise AssertionError(f"{span['name']} has no {key}")


def check_lives(lives, archives):
    """Every life against its archive. Returns {(trace id, span id)} of all spans."""
    documents, ids = {}, set()
    for path in archives:
        document = read_archive(path, judge=False)
        spans = [span for span, _, _ in spans_of(document)]
        check(spans[0]["traceId"] not in documents, "two files of one run")
        documents[spans[0]["traceId"]] = document
        ids |= {(span["traceId"], span["spanId"]) for span in spans}
    spans = sum(check_life(life, documents.pop(life.trace, None)) for life in lives)
    check(not documents, f"archives of nobody: {list(documents)}")
    check(spans == len(ids), "a span twice")
    return ids
