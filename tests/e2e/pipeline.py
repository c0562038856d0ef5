"""What a run of the Agento pipeline looks like in its archive, whatever language its
modules are written in."""
import subprocess

from support import check, program, read_archive, spans_of

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
