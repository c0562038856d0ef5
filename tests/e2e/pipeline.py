"""What a run of the Agento pipeline looks like in its archive, whatever language its
modules are written in."""
import subprocess

from support import attributes, check, program, read_archive, spans_of

OK, ERROR = 1, 2
PIPELINE = {
    "agento.pipeline": None,
    "generate_plan_structure": "agento.pipeline",
    "llm.gemini.generate_plan": "generate_plan_structure",
    "agento.module.ingest_plan": "agento.pipeline",
    "develop_drafts": "agento.module.ingest_plan",
    "llm.gemini.develop_draft": "develop_drafts",
    "generate_revision_requests": "agento.module.ingest_plan",
    "llm.gemini.request_revisions": "generate_revision_requests",
    "agento.module.revise_plan": "agento.module.ingest_plan",
    "further_revise_plan": "agento.module.revise_plan",
    "llm.gemini.revise_step": "further_revise_plan",
}
SPANS = 13  # three drafts have one name


def passes_check(archive):
    done = subprocess.run([program("spanring"), "check", str(archive)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(done.returncode == 0, f"spanring check: {done.stdout}")


def tree(archive):
    """Each span's name with its parent's; one root and no orphan, or it fails."""
    spans = [span for span, _, _ in spans_of(read_archive(archive))]
    by_id = {span["spanId"]: span for span in spans}
    parents = {}
    for span in spans:
        parent = span.get("parentSpanId")
        check(not parent or parent in by_id, f"{span['name']} is an orphan")
        parents[span["name"]] = by_id[parent]["name"] if parent else None
    roots = [span["name"] for span in spans if not span.get("parentSpanId")]
    check(len(roots) == 1, f"roots: {roots}")
    return parents


def named(archive, name):
    found = [span for span, _, _ in spans_of(read_archive(archive)) if span["name"] == name]
    check(len(found) == 1, f"{len(found)} spans called {name}")
    return found[0]


# ---- a run of which one module was killed ------------------------------------------------

# Each module's steps, with how many spans it has begun when it is killed there.
STEPS = {
    "plan": {"generate_plan_structure": 2, "llm.gemini.generate_plan": 3},
    "ingest": {"llm.gemini.develop_draft": 3, "develop_drafts": 5,
               "generate_revision_requests": 6, "llm.gemini.request_revisions": 7},
    "revise": {"further_revise_plan": 2, "llm.gemini.revise_step": 3},
}
OUTERMOST = {"plan": "agento.pipeline", "ingest": "agento.module.ingest_plan",
             "revise": "agento.module.revise_plan"}


def plain(span):
    """What a span was told, without what the agent says of its end."""
    said = {key: value for key, value in attributes(span).items()
            if not key.startswith("spanring.")}
    events = [(event["name"], attributes(event)) for event in span.get("events", [])
              if event["name"] != "process.died"]
    return span["name"], said, events


def in_order(archive):
    """By start; the names of drafts are the same three times."""
    found = [span for span, _, _ in spans_of(read_archive(archive))]
    return sorted(found, key=lambda span: int(span["startTimeUnixNano"]))


def check_killed(archive, whole, victim, step):
    """Nothing that was said before the step is missing, and nothing else is different."""
    found = in_order(archive)
    by_id = {span["spanId"]: span["name"] for span in found}
    names = {OUTERMOST[victim], *STEPS[victim]}
    begun = [span for span in whole if span["name"] in names][:STEPS[victim][step]]
    wanted = [span for span in whole if span["name"] not in names or span in begun]
    check([span["name"] for span in found] == [span["name"] for span in wanted],
          f"{step}: {[span['name'] for span in found]}")
    open_ones, name = set(), step
    while name in names:
        open_ones.add(name)
        name = PIPELINE[name]
    for span, original in zip(found, wanted):
        check_span_of(span, original, span["name"] in open_ones, step)
        parent = by_id.get(span.get("parentSpanId"))
        check(parent or not span.get("parentSpanId"), f"{step}: {span['name']} is an orphan")


def check_span_of(span, original, is_open, step):
    name, said, events = plain(span)
    _, said_at_last, events_at_last = plain(original)
    ended = attributes(span).get("spanring.end.reason")
    if not is_open:
        check((said, events) == (said_at_last, events_at_last), f"{step}: {name} is not whole")
        check(not ended and span["status"] == original["status"], f"{step}: {name} had ended")
        return
    check(ended == "killed" and span["status"]["code"] == ERROR, f"{step}: {name} was open")
    check(said.items() <= said_at_last.items() and events == events_at_last[:len(events)],
          f"{step}: {name} says what it never was told")
    if name.startswith("llm."):
        check("gen_ai.prompt" in said and "gen_ai.response.content" not in said,
              f"{step}: {name} was asked and had no answer: {sorted(said)}")
