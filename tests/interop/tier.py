"""What the files of combinations share: the list of them, the comparison, and a
process of theirs."""
import functools
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]

import spans  # noqa: E402

COMBINATIONS = []


def combination(*parameters):
    def remember(function):
        for parameter in parameters:
            COMBINATIONS.append((f"{function.__name__} {' '.join(parameter)}".strip(),
                                 functools.partial(function, *parameter)))
        return function
    return remember


def same(expected, found, schemas=True):
    words = spans.differences(spans.spans_of(expected, schemas), spans.spans_of(found, schemas))
    if words:
        raise AssertionError("\n".join(words[:20]))


class Process:
    """One of theirs, in a directory of its own; what it says is kept."""

    def __init__(self, place, name, command, **environment):
        self.log_path = place.disk / f"{name}.log"
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log_path, "wb"), env={**os.environ, **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def port(self):
        line = self.process.stdout.readline().strip()
        if not line.isdigit():
            raise AssertionError(self.log_path.read_text()[-2000:])
        return int(line)
