"""The summary of a run: attributes spanring.run.* behind those of its file's first resource."""
from checking import check

PREFIX = "spanring.run."
NUMBERS = ("spans", "errors", "closed_spans", "dropped_spans", "dropped_records",
           "input_tokens", "output_tokens", "start_unix_nano", "end_unix_nano")
FAMILIES = (("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
            ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
            ("llm.token_count.prompt", "llm.token_count.completion"))


def plain(value):
    (kind, inner), = value.items()
    if kind == "arrayValue":
        return [plain(item) for item in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


def take_summary(document):
    """Takes it out of the document: what is left is what the run's processes said."""
    summary = {}
    for entry in document["resourceSpans"]:
        kept = []
        for attribute in entry["resource"].get("attributes", []):
            if not attribute["key"].startswith(PREFIX):
                kept.append(attribute)
                continue
            check(entry is document["resourceSpans"][0], "a summary behind the first resource")
            summary[attribute["key"][len(PREFIX):]] = plain(attribute["value"])
        if "attributes" in entry["resource"]:
            entry["resource"]["attributes"] = kept
            if not kept:
                del entry["resource"]["attributes"]
    return summary


def spans_in(document):
    return [span for entry in document["resourceSpans"] for scope in entry["scopeSpans"]
            for span in scope["spans"]]


def count_of(value):
    (kind, inner), = value.items()
    if kind not in ("intValue", "doubleValue") or not 0 <= float(inner) < float("inf"):
        return None
    return min(int(inner), 2 ** 32 - 1)


def tokens_of(span):
    said = {item["key"]: count_of(item["value"]) for item in span.get("attributes", [])}
    for names in FAMILIES:
        counts = [said.get(name) for name in names]
        if counts != [None, None]:
            return tuple(count or 0 for count in counts)
    return None


def tokens_in(spans):
    """Of spans that say tokens and have no descendant that does."""
    parents = {span["spanId"]: span.get("parentSpanId", "") for span in spans}
    said = {span["spanId"]: tokens_of(span) for span in spans if tokens_of(span)}
    above = set()
    for identity in said:
        at = parents[identity]
        while at in parents and at not in above:
            above.add(at)
            at = parents[at]
    counted = [counts for identity, counts in said.items() if identity not in above]
    return [sum(counts[i] for counts in counted) for i in (0, 1)]


def was_closed(span):
    return any(item["key"] == "spanring.end.reason" for item in span.get("attributes", []))


def check_reasons(summary):
    reasons = summary.get("incomplete_reason", [])
    check(summary["complete"] == (not reasons), f"complete, or why not: {summary}")
    for reason, number in (("spans closed by the agent", "closed_spans"),
                           ("spans dropped", "dropped_spans"),
                           ("records dropped", "dropped_records")):
        check((reason in reasons) == (summary[number] > 0), f"{reason}: {summary}")


def check_summary(document, summary):
    """It says what the document's spans say."""
    spans = spans_in(document)
    check(summary, "a file without a summary")
    check(all(isinstance(summary[name], int) for name in NUMBERS), f"{summary}")
    check(summary["id"] == spans[0]["traceId"], f"{summary}")
    check(summary["spans"] == len(spans), f"{len(spans)} spans: {summary}")
    check(summary["errors"] == sum(span.get("status", {}).get("code") == 2 for span in spans),
          f"errors: {summary}")
    check(summary["closed_spans"] == sum(map(was_closed, spans)), f"closed: {summary}")
    check(summary["start_unix_nano"] == min(int(span["startTimeUnixNano"]) for span in spans),
          f"start: {summary}")
    check(summary["end_unix_nano"] == max(int(span["endTimeUnixNano"]) for span in spans),
          f"end: {summary}")
    check([summary["input_tokens"], summary["output_tokens"]] == tokens_in(spans),
          f"tokens {tokens_in(spans)}: {summary}")
    resources = len(document["resourceSpans"])
    check(len(summary["modules"]) == len(summary["exit_codes"]) == resources,
          f"{resources} resources: {summary}")
    check_reasons(summary)
