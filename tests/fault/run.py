#!/usr/bin/python3
"""Runs the fault matrix: every row of tests/fault/rows is a fault and the test
that shows what becomes of it.

A test is a program under <build>/tests/fault or a script tests/fault/test_*. It
prints one line for each row it has proven, and leaves with 0:

    row M9 passed: 10000 processes, 30000 spans, 0 lost
    row M7 skipped: core_pattern cannot be changed here

A row that nobody printed has failed. A row may be skipped only if
tests/fault/may-skip names it with a twin, a row that shows the same through the
simulated world, and that one has passed.

Tier P runs on every change, tier N in `make soak`. Programs find BUILD,
ASAN_BUILD (whose agent checks its memory), a private TMPDIR, SOAK=1 in tier N,
and SEED where one was given.

It says what begins, each minute what still runs, and what has ended. Ctrl-C ends
the programs, which put away what they made, and removes what is left of them.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from run import ROOT, SHM, remove_scratch, test_environment

HERE = ROOT / "tests" / "fault"
LANES = 2
TIMEOUT_S = {"P": 400, "N": 7200}
SAY_S = 60  # between two words about what still runs
LOOK_S = 0.2
LEAVE_S = 20  # for a program that was asked to stop, to put away what it made
SAID = re.compile(r"^row (\S+) (passed|skipped): (.*)$", re.MULTILINE)
SIMULATION = "X1"


class Row:
    def __init__(self, name, tier, program, text):
        self.name, self.tier, self.program, self.text = name, tier, program, text
        self.verdict, self.reason, self.seconds = None, "", 0.0


def lines_of(path, fields):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.split(None, fields - 1)
        if len(parts) != fields:
            sys.exit(f"{path.name}:{number}: {fields} words are wanted: {line}")
        yield parts


def read_rows():
    """{(name, tier): Row}: a row may be in both tiers, with more rounds in N."""
    rows = {}
    for name, tier, program, text in lines_of(HERE / "rows", 4):
        if tier not in TIMEOUT_S:
            sys.exit(f"rows: {name}: tier {tier} is neither P nor N")
        if rows.setdefault((name, tier), row := Row(name, tier, program, text)) is not row:
            sys.exit(f"rows: {name} stands twice in tier {tier}")
    return rows


def read_may_skip(rows):
    names = {name for name, _ in rows}
    twins = {}
    for name, twin, _ in lines_of(HERE / "may-skip", 3):
        if name not in names or twin not in names:
            sys.exit(f"may-skip: {name} or its twin {twin} is not a row")
        twins[name] = twin
    return twins


def strangers(rows):
    """Scripts that the table forgot would never run."""
    programs = {row.program for row in rows.values()}
    return [path.name for path in sorted(HERE.glob("test_*"))
            if os.access(path, os.X_OK) and path.is_file() and path.name not in programs]


def choose(rows, tier, pattern):
    return [row for row in rows.values() if row.tier == tier
            and (not pattern or pattern in (row.name, row.program))]


def missing_twins(rows, twins, ran):
    """Rows that must run too, because one that was skipped leans on them."""
    have = {row.name for row in ran}
    names = {twins[row.name] for row in ran if row.verdict == "skipped" and row.name in twins}
    return [rows.get((name, "P")) or rows[(name, "N")] for name in sorted(names - have)]


def find_program(build, name):
    for path in (HERE / name, build / "tests" / "fault" / name):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def kill_what_is_left(scratch):
    """What a program started has its TMPDIR, wherever it has gone meanwhile."""
    mark = f"TMPDIR={scratch}".encode()
    killed = 0
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
        except (OSError, ValueError):
            continue  # it is gone, or another user's
    return killed


class Running:
    """One program, in a session of its own: Ctrl-C reaches this runner alone, and
    it decides who ends when."""

    def __init__(self, arguments, name, tier):
        self.name, self.tier = name, tier
        self.began = self.said = time.monotonic()
        self.scratch = tempfile.mkdtemp(prefix="spanring-fault-", dir=SHM)
        self.output = tempfile.TemporaryFile()
        self.late = False
        environment = test_environment(arguments.build.resolve(), self.scratch)
        environment.update(ASAN_BUILD=str(arguments.asan.resolve()))
        if tier == "N":
            environment["SOAK"] = "1"
        if arguments.seed:
            environment["SEED"] = arguments.seed
        path = find_program(arguments.build.resolve(), name)
        if not path:
            self.output.write(f"{name} was not built\n".encode())
            self.output.flush()
        self.process = subprocess.Popen(
            [path or "false"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True)

    def seconds(self):
        return time.monotonic() - self.began

    def text(self):
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode(errors="replace")

    def tell(self):
        if time.monotonic() < self.said + SAY_S:
            return
        self.said = time.monotonic()
        say(f"running   {self.name}, {self.seconds():.0f} s: "
            f"{self.text().rstrip().split(chr(10))[-1][:150]}")

    def is_over(self):
        over = self.process.poll() is not None
        self.late = not over and self.seconds() > TIMEOUT_S[self.tier]
        return over or self.late

    def ask_to_stop(self):
        """It alone: it knows in which order its processes end."""
        self.process.send_signal(signal.SIGINT)

    def finish(self):
        """Ends what is left of it; output, exit status, seconds."""
        seconds = self.seconds()
        if self.process.poll() is None:
            self.ask_to_stop()
            try:
                self.process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                pass
        left = kill_what_is_left(self.scratch)
        if left:
            say(f"ended     {left} processes that {self.name} had left")
        for _ in range(int(LEAVE_S / LOOK_S)):
            if not kill_what_is_left(self.scratch):
                break
            self.process.poll()
            time.sleep(LOOK_S)
        code, text = self.process.wait(), self.text()
        self.output.close()
        remove_scratch(self.scratch)
        if self.late:
            code, text = 1, f"{text}\nnot done in {TIMEOUT_S[self.tier]} s\n"
        return text, code, seconds


def judge(name, rows, result, verbose):
    """Gives this program's rows their verdicts; returns what else is wrong."""
    output, code, seconds = result
    said = {row: (verdict, reason) for row, verdict, reason in SAID.findall(output)}
    for row in rows:
        row.seconds = seconds
        row.verdict, row.reason = said.get(row.name, ("failed", f"{name} left with {code} "
                                                      "without proving it"))
    wrong = []
    if code != 0 and all(row.verdict != "failed" for row in rows):
        wrong.append(f"{name} left with {code}")
    if code != 0 or verbose or any(row.verdict == "failed" for row in rows):
        print(f"--- {name} ---\n{output[-8000:]}")
    verdict = "failed" if wrong or any(row.verdict == "failed" for row in rows) else "done"
    say(f"{verdict:10}{name}: {names(rows)} in {seconds:.0f} s")
    return wrong


def check_skips(rows, twins):
    passed = {row.name for row in rows if row.verdict == "passed"}
    for row in rows:
        if row.verdict != "skipped":
            continue
        twin = twins.get(row.name)
        if twin not in passed:
            row.verdict = "failed"
            row.reason = (f"skipped ({row.reason}), and its twin {twin} did not pass" if twin
                          else f"skipped ({row.reason}), which may-skip does not allow")
        else:
            row.reason += f" (shown by {twin})"


def run_programs(arguments, programs):
    """`programs`: their rows by name. Returns what is wrong besides the rows."""
    waiting = sorted(programs, key=lambda name: all(row.name != SIMULATION
                                                    for row in programs[name]))
    running, wrong = [], []
    lanes = 1 if arguments.pattern or arguments.seed else LANES
    try:
        while waiting or running:
            while waiting and len(running) < lanes:
                name = waiting.pop(0)
                running.append(Running(arguments, name, programs[name][0].tier))
                say(f"begins    {name}: {names(programs[name])}; {len(waiting)} are to come")
            time.sleep(LOOK_S)
            for one in list(running):
                one.tell()
                if one.is_over():
                    running.remove(one)
                    wrong += judge(one.name, programs[one.name], one.finish(), arguments.verbose)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        say(f"stopping  {', '.join(one.name for one in running)}")
        for one in running:
            one.ask_to_stop()
        for one in running:
            one.finish()
        sys.exit("stopped; nothing of it is left")
    return wrong


def by_program(rows):
    programs = {}
    for row in rows:
        programs.setdefault(row.program, []).append(row)
    return programs


def names(rows):
    return ", ".join(row.name for row in rows)


def natural(row):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row.name)]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--asan", default="build-asan", type=pathlib.Path)
    parser.add_argument("--tier", default="P", choices=sorted(TIMEOUT_S))
    parser.add_argument("--seed", default="",
                        help=f"for the programs; without a row {SIMULATION} alone runs")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("pattern", nargs="?", default="", help="one row or program alone")
    arguments = parser.parse_args()
    rows = read_rows()
    twins = read_may_skip(rows)
    wrong = [f"tests/fault/{name} is in no row of the table" for name in strangers(rows)]
    pattern = arguments.pattern or (SIMULATION if arguments.seed else "")
    chosen = choose(rows, arguments.tier, pattern)
    if not chosen:
        sys.exit(f"no row or program of tier {arguments.tier} is called '{pattern}'")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wrong += run_programs(arguments, by_program(chosen))
    twins_too = missing_twins(rows, twins, chosen)
    wrong += run_programs(arguments, by_program(twins_too))
    chosen += twins_too
    check_skips(chosen, twins)
    for row in sorted(chosen, key=natural):
        print(f"{row.name:10}{row.verdict:9}{row.seconds:7.1f} s  {row.text}: {row.reason}")
    for line in wrong:
        print(f"failed: {line}")
    counts = {verdict: sum(row.verdict == verdict for row in chosen)
              for verdict in ("passed", "failed", "skipped")}
    counts["failed"] += len(wrong)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


sys.exit(main())
