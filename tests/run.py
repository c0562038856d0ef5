#!/usr/bin/python3
"""Runs the quick tier and closes with `N passed, N failed, N skipped`.

A test is an executable file: a cmocka program under <build>/tests, or a script
under tests/lint, tests/model, tests/python, tests/e2e whose name begins with test_. The fault
matrix has a runner of its own: tests/fault/run.py. Exit code
77 means skipped, with the reason as its last line. Programs get BUILD (absolute)
in their environment and a private TMPDIR that is removed afterwards.

What became of each function of each program is written to <build>/test-results.tsv:
the program's source without its ending, the function, the verdict. A program that
failed, or names no functions, has a line "-" of its own.
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

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_S = 180
# Files of tests live in memory where that is possible: thousands of small logs
# are written and recovered.
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
PASSED = re.compile(rb"\[  PASSED  \] (\d+) test")
FAILED = re.compile(rb"\[  FAILED  \] (\d+) test")
SKIPPED = re.compile(rb"\[  SKIPPED \] (\d+) test")
VERDICT = re.compile(rb"^\[ +(OK|FAILED|SKIPPED)\b.*\] (\w+)(?: [\d.]+ s)?$", re.MULTILINE)
VERDICTS = {b"OK": "passed", b"FAILED": "failed", b"SKIPPED": "skipped"}
# These use the whole machine or measure deaths: one at a time, after the rest.
ALONE = re.compile(r"/(e2e|stress)/")


class Result:
    def __init__(self, name, code, output, seconds):
        self.name, self.output, self.seconds = name, output, seconds
        counts = [sum(map(int, pattern.findall(output))) for pattern in (PASSED, FAILED, SKIPPED)]
        if code == 77:
            self.passed, self.failed, self.skipped = 0, 0, 1
        elif any(counts):
            self.passed, self.failed, self.skipped = counts
            if code != 0 and not self.failed:
                self.failed = 1
        else:
            self.passed, self.failed, self.skipped = (1, 0, 0) if code == 0 else (0, 1, 0)
        self.functions = [(name.decode(), VERDICTS[verdict])
                          for verdict, name in VERDICT.findall(output)]

    def lines(self):
        """For the file of results. A build's own directory is left out of the name."""
        program = self.name[self.name.index("tests/"):]
        whole = "failed" if self.failed else "passed" if self.passed else "skipped"
        if whole == "failed" or not self.functions:
            yield f"{program}\t-\t{whole}\n"
        for function, verdict in self.functions:
            yield f"{program}\t{function}\t{verdict}\n"


def discover(build, sanitized):
    for directory in [build] + sanitized:
        for part in ("unit", "fuzz", "stress"):
            for path in sorted((directory / "tests" / part).rglob("*")):
                if path.name == "burst_writer":
                    continue  # not a test: tests/stress/burst.py drives it
                if path.is_file() and os.access(path, os.X_OK):
                    yield path, directory
    for part in ("lint", "model", "python", "e2e"):
        for path in sorted((ROOT / "tests" / part).glob("test_*")):
            if path.is_file() and os.access(path, os.X_OK):
                yield path, build


def test_environment(build, scratch):
    """The caller's, without its tracing."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("OTEL_", "SPANRING_", "TRACE"))
                   or name.startswith("SPANRING_TEST_")}
    environment.update(BUILD=str(build), TMPDIR=scratch,
                       ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
                       UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                       TSAN_OPTIONS="halt_on_error=1")
    return environment


def remove_scratch(scratch):
    """And what tests made beside it, under its name (tests/e2e/support.py)."""
    scratch = pathlib.Path(scratch)
    for path in [scratch, *scratch.parent.glob(scratch.name + "-*")]:
        shutil.rmtree(path, ignore_errors=True)


def run(item):
    path, build = item
    scratch = tempfile.mkdtemp(prefix="spanring-test-", dir=SHM)
    environment = test_environment(build, scratch)
    began = time.monotonic()
    try:
        done = subprocess.run([path], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT_S, check=False)
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        code, output = 1, (expired.stdout or b"") + b"\nnot done in %d s\n" % TIMEOUT_S
    remove_scratch(scratch)
    return Result(os.path.relpath(path, ROOT), code, output, time.monotonic() - began)


def report(result, verbose):
    verdict = "FAILED" if result.failed else "skipped" if not result.passed else "ok"
    reason = ""
    if verdict == "skipped":
        reason = "  " + result.output.decode(errors="replace").strip().split("\n")[-1]
    print(f"{verdict:8}{result.passed:5} {result.seconds:6.1f} s  {result.name}{reason}")
    if result.failed or verbose:
        print(result.output.decode(errors="replace")[-6000:])
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--sanitized", action="append", default=[], type=pathlib.Path)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--results", type=pathlib.Path, help="else <build>/test-results.tsv")
    parser.add_argument("pattern", nargs="*", help="only tests whose names match one of these")
    arguments = parser.parse_args()
    tests = [item for item in discover(arguments.build.resolve(),
                                       [path.resolve() for path in arguments.sanitized])
             if not arguments.pattern
             or any(re.search(pattern, str(item[0])) for pattern in arguments.pattern)]
    side_by_side = [item for item in tests if not ALONE.search(str(item[0]))]
    alone = [item for item in tests if ALONE.search(str(item[0]))]
    results = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for result in pool.map(run, side_by_side):
            report(result, arguments.verbose)
            results.append(result)
    for item in alone:
        results.append(run(item))
        report(results[-1], arguments.verbose)
    passed, failed, skipped = (sum(getattr(result, kind) for result in results)
                               for kind in ("passed", "failed", "skipped"))
    with open(arguments.results or arguments.build / "test-results.tsv", "w") as file:
        file.writelines(line for result in results for line in result.lines())
    for result in results:
        if result.failed:
            print(f"failed: {result.name}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
