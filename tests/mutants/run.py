#!/usr/bin/python3
"""Seeds one-line bugs and asks the test that is named for each to find it.

    tests/mutants/run.py [--jobs N] [NAME...]

A mutant is a file tests/mutants/NAME.mutant:

    # What it breaks, in a sentence or two.
    file libclient/writer.h
    test unit/libclient/test_writer its_test_function
    -	the text as it stands, once in the file
    +	the text with the bug

The program of `test` is built in a copy of the tree and must fail, in that
function where one is named (a crash or a hang counts for the program). More
`test` lines are tried in turn. `build SANITIZE` has the copy built with that
sanitizer. A mutant whose text is not there any more fails the run: somebody
must look whether the bug is still possible.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# In memory and short: thousands of small logs are written, and sockets have names.
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Without a bug; with one, a test that takes so many times as long hangs.
TEST_TIMEOUT_S = 1200
HANG_FACTOR, HANG_S_MIN = 10, 60
BUILD_TIMEOUT_S = 900
# cmocka says ERROR where a teardown failed, too.
FAILED = re.compile(rb"^\[  (?:FAILED|ERROR ) +\] ([a-z]\w+)$", re.MULTILINE)


class Mutant:
    def __init__(self, path):
        self.name, self.why, self.tests = path.stem, [], []
        self.file, self.sanitize = None, ""
        old, new = [], []
        for line in path.read_text().splitlines():
            if line.startswith("#"):
                self.why.append(line[1:].strip())
            elif line.startswith("file "):
                self.file = line.split(None, 1)[1]
            elif line.startswith("test "):
                program, *function = line.split()[1:]
                self.tests.append((program, function[0] if function else None))
            elif line.startswith("build "):
                self.sanitize = line.split(None, 1)[1]
            elif line.startswith("-"):
                old.append(line[1:])
            elif line.startswith("+"):
                new.append(line[1:])
            elif line.strip():
                sys.exit(f"{path.name}: a line that says nothing: {line}")
        if not (self.file and self.tests and self.why and old):
            sys.exit(f"{path.name}: file, test, a sentence and the text are wanted")
        self.old, self.new = "\n".join(old) + "\n", "".join(line + "\n" for line in new)

    def apply(self, tree):
        """Returns what undoes it; None: its text is not there."""
        path = tree / self.file
        text = path.read_text() if path.exists() else ""
        if text.count(self.old) != 1:
            return None
        path.write_text(text.replace(self.old, self.new))
        return lambda: path.write_text(text)


class Tree:
    """A copy of what git would commit, built once and then piece by piece."""

    def __init__(self, directory, jobs):
        self.root, self.jobs = directory, jobs
        self.sound = {}  # (sanitizer, program): seconds it takes without a bug, None: fails
        names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                                "--exclude-standard"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE).stdout.decode().split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                target = directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    def build(self, mutant, program):
        """The path of the built program and where it lies, or the compiler's words."""
        build = f"build-{mutant.sanitize}" if mutant.sanitize else "build"
        script = not program.startswith(("unit/", "stress/")) and \
            (self.root / "tests" / program).is_file()
        targets = ["all", "tools"] if script else [f"{build}/tests/{program}"]
        compiler = "ccache gcc" if shutil.which("ccache") else "cc"
        done = subprocess.run(
            ["make", "-s", f"-j{self.jobs}", f"CC={compiler}", f"BUILD={build}", "WERROR=",
             f"SANITIZE={mutant.sanitize}", "OPTIMIZE=-O1 -g", *targets], cwd=self.root,
            env=dict(os.environ, CCACHE_BASEDIR=str(self.root)), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=BUILD_TIMEOUT_S, check=False)
        if done.returncode:
            return None, done.stdout
        path = self.root / "tests" / program if script else self.root / targets[0]
        return path, self.root / build

    def is_sound(self, mutant, program):
        """A test that fails anyway finds nothing. Asked once, before any bug."""
        key = (mutant.sanitize, program)
        if key not in self.sound:
            path, build = self.build(mutant, program)
            began = time.monotonic()
            passed = path is not None and not self.run(path, build, TEST_TIMEOUT_S)[0]
            self.sound[key] = time.monotonic() - began if passed else None
        return self.sound[key] is not None

    def patience(self, mutant, program):
        return max(HANG_S_MIN, HANG_FACTOR * self.sound[(mutant.sanitize, program)])

    def run(self, path, build, timeout_s):
        """Whether it failed, and the names of the tests that did."""
        scratch = tempfile.mkdtemp(prefix="mutant-", dir=SHM)
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("OTEL_", "SPANRING_", "TRACE"))}
        environment.update(BUILD=str(build), TMPDIR=scratch, ASAN_OPTIONS="detect_leaks=1",
                           TSAN_OPTIONS="halt_on_error=1")
        process = subprocess.Popen([path], cwd=self.root, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            output, _ = process.communicate(timeout=timeout_s)
            failed = process.returncode not in (0, 77)
            how = f"exit status {process.returncode}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # with what it started
            output, _ = process.communicate()
            failed, how = True, f"not done in {timeout_s:.0f} s"
        shutil.rmtree(scratch, ignore_errors=True)
        return failed, [name.decode() for name in dict.fromkeys(FAILED.findall(output))], how


def judge(tree, mutant):
    """A verdict, and whether it is the good one."""
    for program, _ in mutant.tests:
        if not tree.is_sound(mutant, program):
            return f"{program} fails without the bug: that has to be mended first", False
    undo = mutant.apply(tree.root)
    if not undo:
        return (f"its text is not in {mutant.file} (once): look whether the bug is still "
                "possible and write the mutant anew"), False
    try:
        for program, function in mutant.tests:
            path, build = tree.build(mutant, program)
            if path is None:
                return f"does not build: {build.decode(errors='replace')[-600:]}", False
            failed, names, how = tree.run(path, build, tree.patience(mutant, program))
            if failed and (function is None or not names or function in names):
                return f"caught by {program} {function or ' '.join(names[:3]) or how}", True
            if failed:
                return f"caught, but by {' '.join(names)} and not by {function}", False
        return f"SURVIVED {' '.join(program for program, _ in mutant.tests)}", False
    finally:
        undo()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("name", nargs="*", help="mutants; all of them if none is named")
    arguments = parser.parse_args()
    mutants = [Mutant(path) for path in sorted(HERE.glob("*.mutant"))]
    if arguments.name:
        unknown = set(arguments.name) - {mutant.name for mutant in mutants}
        if unknown:
            sys.exit(f"no such mutant: {' '.join(sorted(unknown))}")
        mutants = [mutant for mutant in mutants if mutant.name in arguments.name]
    good = 0
    # In the order of files: the next one rebuilds little.
    with tempfile.TemporaryDirectory(prefix="spanring-mutants-") as directory:
        tree = Tree(pathlib.Path(directory), arguments.jobs)
        for mutant in sorted(mutants, key=lambda mutant: (mutant.sanitize, mutant.file)):
            began = time.monotonic()
            verdict, caught = judge(tree, mutant)
            good += caught
            print(f"{'ok' if caught else 'FAILED':7}{mutant.name:34} {verdict} "
                  f"({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{good} of {len(mutants)} mutants caught")
    return 0 if good == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
