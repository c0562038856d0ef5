#!/usr/bin/python3
"""Seeds one-line bugs and asks the test that is named for each to find it.

    make mutants                            all of them
    make mutants MUTANT="NAME..."           these
    tests/mutants/run.py [--jobs N] [NAME...]
    tests/mutants/run.py --check            only: does each still fit the code?

A mutant is a file tests/mutants/NAME.mutant:

    # What it breaks, in a sentence or two.
    file libclient/writer.h
    test unit/libclient/test_writer its_test_function
    -	the text as it stands, once in the file
    +	the text with the bug

`test` names the program, and where that is one of cmocka's the function, which
then runs alone. It must pass in a copy of the tree, and fail there with the bug; a
crash or a hang is a failure, too. `build SANITIZE` has the copy built with that
sanitizer. A mutant whose text is not there any more fails the run: somebody must
look whether the bug is still possible.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from run import ROOT, SHM, test_environment

HERE = pathlib.Path(__file__).resolve().parent
# Without a bug; with one, a test that takes so many times as long hangs.
TEST_TIMEOUT_S = 600
HANG_FACTOR, HANG_S_MIN = 20, 30
BUILD_TIMEOUT_S = 1800
PASSED = re.compile(rb"\[  PASSED  \] ([1-9]\d*) test")

# Linked into the copies' tests: runs the one test of a program that is asked for.
ONLY_NAME = "SPANRING_TEST_ONLY"
ONLY_SOURCE = """\
#include <stdlib.h>
void cmocka_set_test_filter(const char *);
__attribute__((constructor)) static void only(void)
{
	cmocka_set_test_filter(getenv("%s"));
}
""" % ONLY_NAME


class Interrupted(Exception):
    pass


class Mutant:
    def __init__(self, path):
        self.name, self.why = path.stem, []
        self.file, self.program, self.function, self.sanitize = None, None, None, ""
        old, new = [], []
        for line in path.read_text().splitlines():
            if line.startswith("#"):
                self.why.append(line[1:].strip())
            elif line.startswith("file "):
                self.file = line.split(None, 1)[1]
            elif line.startswith("test "):
                self.program, *function = line.split()[1:]
                self.function = function[0] if function else None
            elif line.startswith("build "):
                self.sanitize = line.split(None, 1)[1]
            elif line.startswith("-"):
                old.append(line[1:])
            elif line.startswith("+"):
                new.append(line[1:])
            elif line.strip():
                sys.exit(f"{path.name}: a line that says nothing: {line}")
        if not (self.file and self.program and self.why and old):
            sys.exit(f"{path.name}: file, test, a sentence and the text are wanted")
        self.old, self.new = "\n".join(old) + "\n", "".join(line + "\n" for line in new)
        self.key = (self.sanitize, self.program, self.function)

    def misfit(self):
        """Why it cannot be run, or None."""
        path, source = ROOT / self.file, ROOT / "tests" / (self.program + ".c")
        if not path.is_file() or path.read_text().count(self.old) != 1:
            return (f"its text is not in {self.file} (once): look whether the bug is still "
                    "possible, and write the mutant anew")
        if not source.is_file():
            return f"there is no tests/{self.program}.c"
        if self.function and not re.search(rf"\b{self.function}\b", source.read_text()):
            return f"tests/{self.program}.c has no {self.function}"
        return None


class Processes:
    """What runs, so that an interrupt leaves nothing of it."""

    def __init__(self):
        self.lock, self.groups, self.stopped = threading.Lock(), set(), False

    def run(self, command, timeout_s, **options):
        """Exit status (None: not done in time) and output. All that it started is gone
        then."""
        with self.lock:
            if self.stopped:
                raise Interrupted
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       start_new_session=True, **options)
            self.groups.add(process.pid)
        try:
            output, _ = process.communicate(timeout=timeout_s)
            status = process.returncode
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            output, _ = process.communicate()
            status = None
        finally:
            with self.lock:
                self.groups.discard(process.pid)
            kill_group(process.pid)  # what it left behind
        if self.stopped:
            raise Interrupted
        return status, output

    def stop(self):
        with self.lock:
            self.stopped = True
            for group in self.groups:
                kill_group(group)


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Tree:
    """A copy of what git would commit, with a build of its own for each sanitizer."""

    def __init__(self, root, processes, scratch, compiler):
        self.root, self.processes, self.scratch = root, processes, scratch
        self.compiler = compiler
        self.depending = {}  # build: {source: objects that are made of it}

    def fill(self):
        names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                                "--exclude-standard"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE).stdout.decode().split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                target = self.root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        (self.root / "only.c").write_text(ONLY_SOURCE)
        status, output = self.processes.run(
            [*shlex.split(self.compiler), "-O1", "-c", "only.c", "-o", "only.o"],
            BUILD_TIMEOUT_S, cwd=self.root)
        if status != 0:
            sys.exit(f"{self.compiler}: {output.decode(errors='replace')}")

    def copy(self, root):
        shutil.copytree(self.root, root, symlinks=True)
        twin = Tree(root, self.processes, self.scratch, self.compiler)
        twin.depending = self.depending
        return twin

    @staticmethod
    def build_of(sanitize):
        return "build-" + sanitize.replace(",", "-") if sanitize else "build"

    def make(self, sanitize, programs, jobs, keep_going=False):
        build = self.build_of(sanitize)
        return self.processes.run(
            ["make", "-s", f"-j{jobs}", *(["-k"] if keep_going else []),
             f"CC={self.compiler}", f"BUILD={build}", "WERROR=", "WARNINGS=-w",
             f"SANITIZE={sanitize}", "OPTIMIZE=-O1", "LDFLAGS=only.o",
             *(f"{build}/tests/{program}" for program in programs)],
            BUILD_TIMEOUT_S, cwd=self.root,
            # Not the flags of a make that called us: their jobs are its own.
            env={name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})

    def learn(self, sanitize):
        """Which objects depend on which source."""
        build = self.build_of(sanitize)
        depending = collections.defaultdict(set)
        for rule in (self.root / build / "obj").rglob("*.d"):
            first = rule.read_text().replace("\\\n", " ").split("\n", 1)[0]
            for source in first.split(":", 1)[1].split():
                depending[source].add(rule.relative_to(self.root).with_suffix(".o"))
        self.depending[build] = depending

    def run(self, key):
        """Exit status (None: it hung), output, seconds."""
        sanitize, program, function = key
        build = self.root / self.build_of(sanitize)
        directory = tempfile.mkdtemp(dir=self.scratch)
        environment = test_environment(build, directory)
        if function:
            environment[ONLY_NAME] = function
        began = time.monotonic()
        status, output = self.processes.run(
            [build / "tests" / program], self.patience.get(key, TEST_TIMEOUT_S),
            cwd=self.root, env=environment)
        shutil.rmtree(directory, ignore_errors=True)
        return status, output, time.monotonic() - began

    patience = {}  # key: seconds; of all trees


class Mutation:
    """The bug in a tree, and what is built of it; both are gone at the end."""

    def __init__(self, tree, mutant):
        self.tree, self.mutant = tree, mutant
        self.path = tree.root / mutant.file
        build = tree.build_of(mutant.sanitize)
        objects = tree.depending[build].get(mutant.file, set())
        self.made = [tree.root / name for one in objects
                     for name in (one, one.with_suffix(".d"))]
        self.made += [*(tree.root / build).glob("*.a"),
                      tree.root / build / "tests" / mutant.program]

    def __enter__(self):
        # With their times: to make, nothing has ever happened.
        self.kept = pathlib.Path(tempfile.mkdtemp(dir=self.tree.scratch))
        for number, path in enumerate([self.path, *self.made]):
            shutil.copy2(path, self.kept / str(number))
        text = self.path.read_text()
        self.path.unlink()
        self.path.write_text(text.replace(self.mutant.old, self.mutant.new))
        return self

    def __exit__(self, *_):
        for number, path in enumerate([self.path, *self.made]):
            path.unlink(missing_ok=True)
            shutil.copy2(self.kept / str(number), path)
        shutil.rmtree(self.kept)


def tail(output):
    return "\n" + output.decode(errors="replace").strip()[-1500:]


def words(key):
    return f"{key[1]} {key[2]}" if key[2] else key[1]


def judge(tree, mutant):
    """Whether it was caught, and how."""
    with Mutation(tree, mutant):
        status, output = tree.make(mutant.sanitize, [mutant.program], 1)
        if status != 0:
            return False, "does not build:" + tail(output)
        status, output, _ = tree.run(mutant.key)
    if status == 0:
        return False, f"SURVIVED {words(mutant.key)}"
    how = " (it hung)" if status is None else f" (signal {-status})" if status < 0 else ""
    return True, f"{words(mutant.key)}{how}"


def soundness(tree, key):
    """What is wrong with the test without any bug, or None."""
    status, output, seconds = tree.run(key)
    if status != 0:
        why = "takes too long" if status is None else "fails"
        return f"{words(key)} {why} without the bug, mend that first:" + tail(output)
    if key[2] and not PASSED.search(output):
        return f"{words(key)} ran no test of this name"
    Tree.patience[key] = max(HANG_S_MIN, HANG_FACTOR * seconds)
    return None


class Run:
    def __init__(self, mutants, jobs, compiler):
        self.mutants, self.jobs, self.compiler = mutants, jobs, compiler
        self.processes, self.trees = Processes(), queue.SimpleQueue()
        self.caught, self.failed, self.survived = 0, [], 0

    def in_a_tree(self, work, argument):
        tree = self.trees.get()
        try:
            return work(tree, argument)
        finally:
            self.trees.put(tree)

    def say(self, mutant, good, text, seconds):
        self.caught += good
        if not good:
            self.failed.append(mutant.name)
        self.survived += text.startswith("SURVIVED")
        print(f"{'caught' if good else 'FAILED':7} {mutant.name:36} {seconds:5.1f} s  {text}",
              flush=True)

    def build(self, directory, scratch):
        began = time.monotonic()
        tree = Tree(directory / "1", self.processes, scratch, self.compiler)
        tree.root.mkdir()
        tree.fill()
        for sanitize in sorted({mutant.sanitize for mutant in self.mutants}):
            programs = sorted({mutant.program for mutant in self.mutants
                               if mutant.sanitize == sanitize})
            status, output = tree.make(sanitize, programs, self.jobs)
            if status != 0:
                sys.exit("the tree does not build without a bug:" + tail(output))
            tree.learn(sanitize)
        self.trees.put(tree)
        for number in range(2, self.jobs + 1):
            self.trees.put(tree.copy(directory / str(number)))
        print(f"built in {time.monotonic() - began:.0f} s", flush=True)

    def each(self, pool, work, arguments):
        """Like map(), in the order in which they are done: (argument, seconds, result)."""
        def timed(argument):
            began = time.monotonic()
            result = self.in_a_tree(work, argument)
            return argument, time.monotonic() - began, result
        for future in concurrent.futures.as_completed(
                [pool.submit(timed, argument) for argument in arguments]):
            yield future.result()

    def work(self, pool):
        began = time.monotonic()
        keys = sorted({mutant.key for mutant in self.mutants}, key=words)
        unsound = {}
        for key, _, wrong in self.each(pool, soundness, keys):
            if wrong:
                unsound[key] = wrong
        print(f"{len(keys) - len(unsound)} of {len(keys)} tests pass without a bug, "
              f"in {time.monotonic() - began:.0f} s", flush=True)
        for mutant in self.mutants:
            if mutant.key in unsound:
                self.say(mutant, False, unsound[mutant.key], 0)
        sound = [mutant for mutant in self.mutants if mutant.key not in unsound]
        for mutant, seconds, (good, text) in self.each(pool, judge, sound):
            self.say(mutant, good, text, seconds)

    def interrupted(self, *_):
        self.processes.stop()
        raise KeyboardInterrupt

    def all(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.interrupted)
        with tempfile.TemporaryDirectory(prefix="spanring-mutants-") as directory, \
                tempfile.TemporaryDirectory(prefix="spanring-mutants-", dir=SHM) as scratch, \
                concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                self.build(pathlib.Path(directory), scratch)
                self.work(pool)
            except BaseException:
                self.processes.stop()
                pool.shutdown(cancel_futures=True)
                raise


def chosen(names):
    mutants = [Mutant(path) for path in sorted(HERE.glob("*.mutant"))]
    unknown = set(names) - {mutant.name for mutant in mutants}
    if unknown:
        sys.exit(f"no such mutant: {' '.join(sorted(unknown))}")
    return [mutant for mutant in mutants if not names or mutant.name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="mutants side by side")
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"), help="the compiler")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("name", nargs="*", help="mutants; all of them if none is named")
    arguments = parser.parse_args()
    began = time.monotonic()
    mutants = chosen(arguments.name)
    misfits = {mutant: mutant.misfit() for mutant in mutants if mutant.misfit()}
    for mutant, why in misfits.items():
        print(f"{mutant.name}: {why}")
    if arguments.check:
        return 1 if misfits else 0
    fitting = [mutant for mutant in mutants if mutant not in misfits]
    run = Run(fitting, max(1, min(arguments.jobs, len(fitting))), arguments.cc)
    try:
        if fitting:
            run.all()
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    for name in sorted([*run.failed, *(mutant.name for mutant in misfits)]):
        print(f"failed: {name}")
    print(f"{len(mutants)} mutants, {run.caught} caught, {run.survived} survived "
          f"({time.monotonic() - began:.0f} s)")
    return 0 if run.caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
