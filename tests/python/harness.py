"""What the tests of the Python package share: the built package, modules that run
as programs of their own under an agent, and a main() whose lines the runner reads."""
import json
import os
import pathlib
import subprocess
import sys
import textwrap
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import support as e2e  # noqa: E402  pylint: disable=wrong-import-position

# Another Python, where the package is installed, if the runner says so.
PYTHON = os.environ.get("SPANRING_TEST_PYTHON", sys.executable)
INSTALLED = os.environ.get("SPANRING_TEST_PACKAGE") == "installed"


def environment(place, **more):
    found = place.environment(**more)
    found.pop("PYTHONPATH", None)
    if not INSTALLED:
        found["PYTHONPATH"] = str(e2e.BUILD / "python")
    # Bytecode beside the package would be a build's product that no rule knows.
    found["PYTHONDONTWRITEBYTECODE"] = "1"
    return found


class Module:
    """A Python program under the place's agent; its source begins with the usual."""

    HEAD = textwrap.dedent("""
        import os, sys
        import spanring
        tracer = spanring.get_tracer("tests")
        """)

    def __init__(self, place, source, *arguments, name="module.py", head=True, configure=True,
                 interpreter=(), **more):
        self.path = place.disk / name
        text = textwrap.dedent(source)
        if head:
            text = self.HEAD + ('spanring.configure("tests")\n' if configure else "") + text
        self.path.write_text(text)
        self.process = subprocess.Popen(
            [PYTHON, *interpreter, str(self.path), *arguments], cwd=place.disk,
            env=environment(place, **more), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def line(self):
        """The next line it prints; the module says so when it is where a test wants it."""
        text = self.process.stdout.readline()
        e2e.check(text, "the module is gone: " + self.process.stderr.read()
                  if not text else "")
        return text.strip()

    def finish(self, code=0):
        """(what it printed, its standard error), after it ended with that status."""
        out, err = self.process.communicate(timeout=e2e.PATIENCE_S)
        e2e.check(self.process.returncode == code,
                  f"the module ended with {self.process.returncode}: {err[-2000:]}")
        return out, err


def run_module(place, source, *arguments, code=0, **more):
    with Module(place, source, *arguments, **more) as module:
        return module.finish(code)


class Archived:
    """All spans of all archives, by name."""

    def __init__(self, place):
        self.entries = [entry for path in place.archives()
                        for entry in e2e.spans_of(e2e.read_archive(path))]
        self.spans = [span for span, _, _ in self.entries]

    def named(self, name):
        found = [span for span in self.spans if span["name"] == name]
        e2e.check(len(found) == 1, f"{len(found)} spans {name} of "
                  f"{[span['name'] for span in self.spans]}")
        return found[0]

    def parent(self, name):
        """The name of a span's parent; None for a root."""
        parent = self.named(name).get("parentSpanId")
        if not parent:
            return None
        found = [span["name"] for span in self.spans if span["spanId"] == parent]
        e2e.check(found, f"{name} is an orphan")
        return found[0]

    def values(self, name):
        return e2e.attributes(self.named(name))

    def resource(self, name):
        return next(e2e.attributes(resource) for span, resource, _ in self.entries
                    if span["name"] == name)

    def scope(self, name):
        return next(scope for span, _, scope in self.entries if span["name"] == name)


def trace(source, *arguments, code=0, **more):
    """Runs a module under an agent; what was archived."""
    with e2e.Place(on_tmpfs=True) as place, e2e.Agent(place) as agent:
        run_module(place, source, *arguments, code=code, **more)
        e2e.check_ledgers(agent.wait_archived())
        return Archived(place)


def exceptions(span):
    return [e2e.attributes(event) for event in span.get("events", [])
            if event["name"] == "exception"]


class Result(unittest.TextTestResult):
    """Says what became of each test in the words of the other tests."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self.began = time.monotonic()

    def say(self, test, verdict):
        name = test.id().rsplit(".", 1)[-1]
        print(f"[{verdict} ] {name} {time.monotonic() - self.began:.1f} s", flush=True)

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.say(test, "      OK")

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        print(self.failures[-1][1])
        self.say(test, "  FAILED")

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        print(self.errors[-1][1])
        self.say(test, "  FAILED")

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self.say(test, f" SKIPPED ({reason})")

    def printErrors(self):
        pass


def main():
    names = sys.argv[1:] or None
    loader = unittest.defaultTestLoader
    if names:
        loader.testNamePatterns = [f"*{name}*" for name in names]
    suite = loader.loadTestsFromModule(sys.modules["__main__"])
    runner = unittest.TextTestRunner(resultclass=Result, stream=open(os.devnull, "w"))
    result = runner.run(suite)
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    passed = result.testsRun - failed - skipped
    print(f"[  PASSED  ] {passed} test(s).")
    if skipped:
        print(f"[  SKIPPED ] {skipped} test(s).")
    if failed:
        print(f"[  FAILED  ] {failed} test(s).")
    if skipped and not passed and not failed:
        print(result.skipped[0][1])
        sys.exit(77)
    sys.exit(1 if failed or not passed else 0)


def told(text):
    """What a module printed as JSON, its last line."""
    return json.loads(text.strip().splitlines()[-1])
