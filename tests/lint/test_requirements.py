#!/usr/bin/python3
"""docs/requirements.md answers each of the 178 rows once, and what it names exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = 178
PLACES = ("tests/", "examples/", "docs/", "include/", "bench/", "data/", "python/", "deploy/")


def answers(page):
    for line in page.splitlines():
        row = re.match(r"\| (\d+) \| (.+) \| (.+) \|$", line)
        if row:
            yield int(row[1]), row[3]


def missing_names(answer):
    """A file, then names that stand in it."""
    text = ""
    for said in re.findall(r"`([^`]+)`", answer):
        if said.startswith(PLACES):
            path = ROOT / said
            if not path.exists():
                yield said
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        elif re.fullmatch(r"(test|rule)?_?[a-z0-9_A-Z]*_[a-z0-9_]+_[a-z0-9_]+", said):
            if not re.search(rf"\b{said}\b", text):
                yield said


def missing_fault_rows(answer):
    known = {line.split()[0] for line in (ROOT / "tests/fault/rows").read_text().splitlines()
             if line and not line.startswith("#")}
    for listed in re.findall(r"`tests/fault/rows` ([A-Z0-9, ]+)", answer):
        yield from (name for name in re.findall(r"[A-Z]\d+", listed) if name not in known)


def main():
    page = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
    seen, wrong = [], []
    for number, answer in answers(page):
        seen.append(number)
        if "PENDING" in answer:
            wrong.append(f"row {number}: an answer is pending")
        wrong += [f"row {number}: {name} is not there"
                  for name in (*missing_names(answer), *missing_fault_rows(answer))]
    if seen != list(range(1, ROWS + 1)):
        wrong.append(f"the rows are not 1 to {ROWS}, each once and in order")
    print(f"docs/requirements.md: {len(seen)} rows", *wrong, sep="\n")
    return 1 if wrong else 0


sys.exit(main())
