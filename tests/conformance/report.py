#!/usr/bin/python3
"""The conformance report: OpenTelemetry's compliance matrix with our column, and
the protocol's rules, each cell as the tests of one run have it.

    report.py FILE        the report of a run, from its test-results.tsv (tests/run.py)
    report.py --expected  the report of a run in which every test passed
    report.py --programs  patterns for tests/run.py: the programs the report needs
    report.py --check     is docs/conformance.md what --expected prints? 1: no

`rows` has the matrix. A row is a line; the lines below it, indented by a tab, say
what shows it, or why nothing does:

    # Section
    ## Group of rows
    Row [optional]
    	unit/libclient/test_span::a_parent_is_the_first_that_was_given
    	note WORDS          beside the cell
    	no REASON           not there, or not all of it, whatever the tests show
    	n/a REASON          about something that spanring does not do

`rules` has the protocol's rules, a number and a few words on each line, and below it
`no` or `note` in the same way. Their tests are found by name: rule_33_...,
rules_36_to_40_..., rules_28_and_33_..., rule_A6_A7_....
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "docs/conformance.md"
FUNCTION = re.compile(r"^(?:static void|def)\s+(\w+)\((?:void \*\*\w*)?\)", re.MULTILINE)
ONE_RULE = re.compile(r"(?:test_)?rule_([aA]?\d+)((?:_[aA]\d+)*)_")
RULES = re.compile(r"(?:test_)?rules_([aA]?\d+)((?:_(?:and_|to_)?[aA]?\d+)+)_")
HEAD = """# Conformance

Made by `make conformance` from a run of the tests; do not edit. A cell says `yes` when every
test it names passed in that run, and `no`, with the reason, when one did not or when there is
none. What the cells say comes from `tests/conformance/`.
"""


class Row:
    def __init__(self, name):
        self.optional = name.endswith("[optional]")
        self.name = name.removesuffix("[optional]").strip()
        self.tests, self.note, self.without = [], "", None

    def add(self, line):
        kind, _, words = line.partition(" ")
        if kind in ("no", "n/a"):
            self.without = (kind, words)
        elif kind == "note":
            self.note = words
        else:
            program, _, function = line.partition("::")
            self.tests.append((f"tests/{program}", function))

    def cell(self, results):
        """The cell, and what stands beside it."""
        if self.without:
            return self.without
        if not self.tests:
            return "no", "no test shows it"
        bad = [f"`{function}` {verdict}" for (program, function) in self.tests
               if (verdict := results(program, function)) != "passed"]
        if bad:
            return "no", "; ".join(bad)
        return "yes", self.note


def read(name, is_row):
    """(section, group, rows) in the order of the file."""
    groups, section = [], ""
    for line in (HERE / name).read_text().splitlines():
        if line.startswith("\t"):
            groups[-1][2][-1].add(line.strip())
        elif line.startswith("## "):
            groups.append((section, line[3:], []))
        elif line.startswith("# "):
            section = line[2:]
            groups.append((section, "", []))
        elif line.strip() and not line.startswith("#"):
            groups[-1][2].append(is_row(line.strip()))
    return [group for group in groups if group[2]]


# ---- tests ------------------------------------------------------------------------

def source(program):
    path = ROOT / f"{program}.c"
    return path if path.exists() else ROOT / program


def functions(path):
    return FUNCTION.findall(path.read_text(errors="replace"))


def expand(first, rest):
    """["36"] and "_to_40" are 36 to 40; other words between two numbers mean both."""
    rules, between = [first.upper().lstrip("0")], ""
    for word in rest.strip("_").split("_"):
        if word in ("and", "to", ""):
            between = word
            continue
        if between == "to":
            rules += map(str, range(int(rules[-1]) + 1, int(word)))
        rules.append(word.upper().lstrip("0"))
        between = ""
    return rules


def rules_of(function):
    found = RULES.match(function) or ONE_RULE.match(function)
    return expand(*found.groups()) if found else []


def tests_of_rules():
    """The tests named after each rule."""
    found = {}
    paths = [*ROOT.glob("tests/unit/*/test_*.c"), *ROOT.glob("tests/e2e/test_*")]
    for path in sorted(paths):
        program = str(path.relative_to(ROOT)).removesuffix(".c")
        for function in functions(path):
            for rule in rules_of(function):
                found.setdefault(rule, []).append((program, function))
    return found


def matrix():
    return read("rows", Row)


def rule_groups():
    found = tests_of_rules()
    groups = read("rules", Row)
    for _, _, rows in groups:
        for row in rows:
            row.tests += found.pop(row.name.split()[0], [])
    if found:
        sys.exit(f"tests are named after rules that tests/conformance/rules does not have: "
                 f"{sorted(found)}")
    return groups


def verdicts(path):
    """The results of a run: passed is what passed in every build it ran in."""
    seen, broken = {}, set()
    for line in pathlib.Path(path).read_text().splitlines():
        program, function, verdict = line.split("\t")
        if function == "-" and verdict == "failed":
            broken.add(program)
        seen.setdefault((program, function), set()).add(verdict)

    def result(program, function):
        found = seen.get((program, function), set())
        if not found:
            return "did not run"
        if "failed" in found or program in broken:
            return "failed"
        return "passed" if found == {"passed"} else "was skipped"
    return result


# ---- the report ---------------------------------------------------------------------

def link(program, name):
    return f"[`{name}`](../{source(program).relative_to(ROOT)})"


def shown_by_functions(row):
    return ", ".join(link(program, function) for program, function in row.tests)


def shown_by_programs(row):
    programs = dict.fromkeys(program for program, _ in row.tests)
    return ", ".join(link(program, program.removeprefix("tests/")) for program in programs)


def table(groups, results, shown_by, count):
    for section, group, rows in groups:
        yield f"\n### {section}: {group}\n" if group else f"\n### {section}\n"
        yield "| | spanring | |\n|---|---|---|"
        for row in rows:
            cell, words = row.cell(results)
            count[cell] = count.get(cell, 0) + 1
            beside = [words] if words else []
            if row.tests:
                beside.append(shown_by(row))
            name = f"{row.name} (optional)" if row.optional else row.name
            yield f"| {name} | {cell} | {'; '.join(beside)} |"


def counted(count):
    return ", ".join(f"{count[cell]} {cell}" for cell in ("yes", "no", "n/a") if cell in count)


def report(results):
    ours, rules = {}, {}
    rows = list(table(matrix(), results, shown_by_functions, ours))
    ruled = list(table(rule_groups(), results, shown_by_programs, rules))
    return "\n".join([
        HEAD, "## The specification's compliance matrix", "",
        f"Rows of OpenTelemetry's matrix on traces, baggage, resources, propagation, the\n"
        f"environment and exporters, in our words: {counted(ours)}.", *rows, "",
        "## The rules of the protocols", "",
        f"What OTLP, gRPC, W3C Trace Context and Baggage, and the readers of archives ask for:\n"
        f"{counted(rules)}. The tests of a rule have its number in their name, as in\n"
        f"`rule_33_full_success_has_no_partial_success`. Rules 66, 68 and 69 are drafts and not\n"
        f"looked at.", *ruled, ""])


def programs():
    rows = [row for groups in (matrix(), rule_groups()) for _, _, rows in groups for row in rows]
    return sorted({program for row in rows for program, _ in row.tests})


def check():
    wrong = 0
    for section, _, rows in matrix():
        for row in rows:
            for program, function in row.tests:
                if not source(program).exists() or function not in functions(source(program)):
                    print(f"tests/conformance/rows: {section}: '{row.name}' names {program} "
                          f"{function}, which is not there")
                    wrong += 1
    if not REPORT.exists() or REPORT.read_text() != report(lambda *_: "passed"):
        print("docs/conformance.md is not what the tests and tests/conformance/ make of it:\n"
              "look at `git diff` after\n"
              "    tests/conformance/report.py --expected > docs/conformance.md")
        wrong += 1
    return 1 if wrong else 0


def main():
    if len(sys.argv) != 2 or sys.argv[1] == "--help":
        sys.exit(__doc__)
    what = sys.argv[1]
    if what == "--check":
        sys.exit(check())
    if what == "--programs":
        print("\n".join(f"{program}$" for program in programs()))
    else:
        print(report((lambda *_: "passed") if what == "--expected" else verdicts(what)), end="")


main()
