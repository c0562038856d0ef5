#!/usr/bin/python3
"""Every memory ordering says why.

In shared-memory code each atomic operation with an ordering has a comment at
most six lines above it, or on its line, that carries its label (P1, C2, ...) or,
for a relaxed one, a reason with the word "relaxed". Plain atomic operations
without _explicit, and bare fences, are not written at all.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACES = ["libclient", "include/wire", "agent/drain"]
EXPLICIT = re.compile(r"\batomic_\w+_explicit\s*\(")
IMPLICIT = re.compile(r"\batomic_(?!\w*_explicit)(load|store|exchange|fetch_\w+|compare_exchange_\w+)\s*\(")
FENCE = re.compile(r"\batomic_thread_fence\s*\(")
LABEL = re.compile(r"\b[A-Z]{1,2}[0-9]{1,2}[a-z]?\b")
REACH = 8


def comment_near(lines, index):
    return "\n".join(lines[max(0, index - REACH):index + 3])


def check(path):
    lines = path.read_text().splitlines()
    for index, line in enumerate(lines):
        where = f"{path.relative_to(ROOT)}:{index + 1}"
        if IMPLICIT.search(line):
            yield f"{where}: an atomic operation without _explicit"
        if FENCE.search(line):
            yield f"{where}: a bare fence; use an operation with an ordering"
        if EXPLICIT.search(line):
            near = comment_near(lines, index)
            if not (LABEL.search(near) or "relaxed" in near.replace("memory_order_relaxed", "").lower()):
                yield f"{where}: an ordering without its label or reason"


def main():
    complaints = [text for place in PLACES for path in sorted((ROOT / place).rglob("*.[ch]"))
                  for text in check(path)]
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


sys.exit(main())
