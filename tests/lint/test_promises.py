#!/usr/bin/python3
"""The README's table of promises names a test in each row, and each of them is
there: a row of the fault matrix, or a script."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def promises():
    text = (ROOT / "README.md").read_text()
    table = text.split("## What survives what")[1].split("\n\n")[1]
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield cells[0], re.findall(r"[\w/]+", cells[-1])


def rows():
    for line in (ROOT / "tests/fault/rows").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split()[0]


def main():
    known, wrong, count = set(rows()), 0, 0
    for event, names in promises():
        count += 1
        missing = [name for name in names
                   if name not in known and not list(ROOT.glob(f"tests/*/{name}"))]
        if missing or not names:
            print(f"README: '{event}' is shown by nothing: {missing}")
            wrong += 1
    print(f"{count} promises, {wrong} without their tests")
    return 1 if wrong or count < 10 else 0


sys.exit(main())
