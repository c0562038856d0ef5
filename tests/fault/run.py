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
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from run import ROOT, SHM, test_environment

HERE = ROOT / "tests" / "fault"
LANES = 2
TIMEOUT_S = {"P": 400, "N": 7200}
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


def choose(rows, twins, tier, pattern):
    chosen = [row for row in rows.values() if row.tier == tier
              and (not pattern or pattern in (row.name, row.program))]
    have = {row.name for row in chosen}
    for row in list(chosen):
        twin = twins.get(row.name)
        if twin and twin not in have:
            have.add(twin)
            chosen.append(rows.get((twin, tier)) or rows[(twin, "P" if tier == "N" else "N")])
    return chosen


def find_program(build, name):
    for path in (HERE / name, build / "tests" / "fault" / name):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def run_program(build, asan, name, tier, seed):
    """Output, exit status, seconds."""
    path = find_program(build, name)
    if not path:
        return f"{name} was not built", 1, 0.0
    scratch = tempfile.mkdtemp(prefix="spanring-fault-", dir=SHM)
    environment = test_environment(build, scratch)
    environment.update(ASAN_BUILD=str(asan))
    if tier == "N":
        environment["SOAK"] = "1"
    if seed:
        environment["SEED"] = seed
    began = time.monotonic()
    try:
        done = subprocess.run([path], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT_S[tier], check=False)
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        code, output = 1, (expired.stdout or b"") + b"\nnot done in %d s\n" % TIMEOUT_S[tier]
    shutil.rmtree(scratch, ignore_errors=True)
    return output.decode(errors="replace"), code, time.monotonic() - began


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
    sys.stdout.flush()
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


def natural(row):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row.name)]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--asan", default="build-asan", type=pathlib.Path)
    parser.add_argument("--tier", default="P", choices=sorted(TIMEOUT_S))
    parser.add_argument("--seed", default="", help=f"runs {SIMULATION} alone, with this seed")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("pattern", nargs="?", default="", help="one row or program alone")
    arguments = parser.parse_args()
    rows = read_rows()
    twins = read_may_skip(rows)
    wrong = [f"tests/fault/{name} is in no row of the table" for name in strangers(rows)]
    pattern = SIMULATION if arguments.seed else arguments.pattern
    chosen = choose(rows, twins, arguments.tier, pattern)
    if not chosen:
        sys.exit(f"no row or program of tier {arguments.tier} is called '{pattern}'")
    programs = {}
    for row in chosen:
        programs.setdefault(row.program, []).append(row)
    with concurrent.futures.ThreadPoolExecutor(1 if pattern else LANES) as pool:
        running = {pool.submit(run_program, arguments.build.resolve(), arguments.asan.resolve(),
                               name, arguments.tier, arguments.seed): name for name in programs}
        for done in concurrent.futures.as_completed(running):
            name = running[done]
            wrong += judge(name, programs[name], done.result(), arguments.verbose)
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
