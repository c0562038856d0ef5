#!/usr/bin/python3
"""`spanring check` warns of every name that <spanring/semconv.h> calls deprecated, and
names what the header names instead."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def defined():
    """{constant: (name, what the comment above it says instead, or None)}"""
    text = (ROOT / "include/spanring/semconv.h").read_text()
    found = {}
    pattern = r"/\* (.*?)\*/\s*#define (SPANRING_ATTR_\w+)\s+(?:\\\s+)?\"([^\"]+)\""
    for comment, constant, name in re.findall(pattern, text, re.S):
        deprecated = re.match(r"Deprecated(?:, (\S+?)(?: and \S+)? instead)?\.", comment)
        found[constant] = name, deprecated and (deprecated.group(1) or "nothing")
    return found


def main():
    names = defined()
    source = (ROOT / "cli/check_names.c").read_text()
    rows = dict(re.findall(r"\{(SPANRING_ATTR_\w+),\s*([^}]+)\}", source))
    wrong = 0
    for constant, (name, instead) in names.items():
        if not instead:
            if constant in rows:
                print(f"{name} is not deprecated")
                wrong += 1
            continue
        said = rows.get(constant, "no row").strip()
        said = {"NULL": "nothing"}.get(said, names.get(said, (said.strip('"'),))[0])
        if said != instead:
            print(f"{name}: the header says {instead}, the command {said}")
            wrong += 1
    count = sum(1 for _, instead in names.values() if instead)
    print(f"{count} deprecated names of {len(names)}")
    return 1 if wrong or count < 10 else 0


sys.exit(main())
