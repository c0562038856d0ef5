#!/usr/bin/python3
"""docs/command.md has a section for each verb of the command, and the help of `check` and
the page know the same rules."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    page = (ROOT / "docs/command.md").read_text()
    verbs = re.findall(r'\{"(\w+)", \w+_main,', (ROOT / "cli/main.c").read_text())
    rules = re.findall(r'"(--[\w-]+)[^"]*: ', (ROOT / "cli/check.c").read_text())
    wrong = [f"no section for {verb}" for verb in verbs if f"\n## {verb}\n" not in page]
    wrong += [f"no row for {rule}" for rule in rules if f"| `{rule}" not in page]
    for problem in wrong:
        print(f"docs/command.md: {problem}")
    print(f"{len(verbs)} verbs, {len(rules)} rules")
    return 1 if wrong or len(verbs) < 9 or len(rules) < 7 else 0


sys.exit(main())
