#!/usr/bin/python3
"""The README's table of promises and the table of threats name a test in each row, and
each of them is there: a row of the fault matrix, a script, or a program."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def promises(file, heading):
    text = (ROOT / file).read_text()
    table = text.split(heading)[1].split("\n\n")[1]
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield cells[0], re.findall(r"[\w/]+", cells[-1])


def rows():
    for line in (ROOT / "tests/fault/rows").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split()[0]


def is_there(name):
    return any(list(ROOT.glob(pattern)) for pattern in
               (f"tests/*/{name}", f"tests/{name}", f"tests/{name}.c"))


def main():
    known, wrong = set(rows()), 0
    for file, heading in (("README.md", "## What survives what"),
                          ("SECURITY.md", "## Threats and defences")):
        count = 0
        for event, names in promises(file, heading):
            count += 1
            missing = [name for name in names if name not in known and not is_there(name)]
            if missing or not names:
                print(f"{file}: '{event}' is shown by nothing: {missing}")
                wrong += 1
        print(f"{file}: {count} rows")
        wrong += count < 10
    return 1 if wrong else 0


sys.exit(main())
