"""Makes the spans of one module of a trace again, by OpenTelemetry's API, with its
provider or ours (python_provider.py): every call that made them, in its order.

    python_replay.py FILE MODULE MAP

MODULE is the number of the resource in FILE. To MAP goes a line for each span, with the ids
that it has in FILE and those that it was given; parents in earlier modules are looked for
there. Exit status 3: there is no such module."""
import base64
import heapq
import json
import pathlib
import sys

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import (Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode,
                                 TraceFlags)
from python_provider import begin_with

NO_MODULE = 3


def value_of(value):
    (kind, inner), = value.items()
    if kind == "intValue":
        return int(inner)
    if kind == "doubleValue":
        return float(inner)
    if kind == "bytesValue":
        return base64.b64decode(inner)
    if kind == "arrayValue":
        return [value_of(one) for one in inner.get("values", [])]
    if kind == "kvlistValue":
        return attributes_of(inner.get("values", []))
    return inner


def attributes_of(members):
    return {member["key"]: value_of(member["value"]) for member in members or []}


def modules_of(path):
    """[(resource, [(span, scope)])] in the order in which they began."""
    found = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            for group in json.loads(line)["resourceSpans"]:
                key = json.dumps(group["resource"], sort_keys=True)
                entry = found.setdefault(key, (group["resource"], []))
                for part in group["scopeSpans"]:
                    entry[1].extend((span, part.get("scope", {})) for span in part["spans"])
    return sorted(found.values(), key=lambda entry: min(
        int(span["startTimeUnixNano"]) for span, _ in entry[1]))


class Replay:
    def __init__(self, provider, path):
        self.provider, self.path = provider, pathlib.Path(path)
        self.made, self.elsewhere = {}, {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                _, old, new_trace, new = line.split()
                self.elsewhere[old] = SpanContext(int(new_trace, 16), int(new, 16), True,
                                                  TraceFlags(TraceFlags.SAMPLED))

    def context(self, span):
        parent = span.get("parentSpanId")
        if not parent:
            return context_api.Context()
        if parent in self.made:
            return trace.set_span_in_context(self.made[parent])
        return trace.set_span_in_context(NonRecordingSpan(self.elsewhere[parent]))

    def start(self, span, scope):
        tracer = self.provider.get_tracer(scope.get("name", "none"), scope.get("version"))
        made = tracer.start_span(
            span["name"], self.context(span), SpanKind(span["kind"] - 1),
            start_time=int(span["startTimeUnixNano"]), links=[
                Link(SpanContext(int(link["traceId"], 16), int(link["spanId"], 16), True),
                     attributes_of(link.get("attributes"))) for link in span.get("links", [])])
        for key, value in attributes_of(span.get("attributes")).items():
            made.set_attribute(key, value)
        for event in span.get("events", []):
            made.add_event(event["name"], attributes_of(event.get("attributes")),
                           int(event["timeUnixNano"]))
        status = span.get("status", {})
        if status.get("code"):
            made.set_status(StatusCode(status["code"]), status.get("message"))
        self.made[span["spanId"]] = made
        place = made.get_span_context()
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(f"{span['traceId']} {span['spanId']} {place.trace_id:032x} "
                        f"{place.span_id:016x}\n")

    def run(self, spans):
        """Starts and ends as they followed each other."""
        open_ones = []
        for span, scope in sorted(spans, key=lambda entry: int(entry[0]["startTimeUnixNano"])):
            self.end_until(open_ones, int(span["startTimeUnixNano"]))
            self.start(span, scope)
            heapq.heappush(open_ones, (int(span["endTimeUnixNano"]), span["spanId"]))
        self.end_until(open_ones, float("inf"))

    def end_until(self, open_ones, time):
        while open_ones and open_ones[0][0] <= time:
            ended, identity = heapq.heappop(open_ones)
            self.made[identity].end(ended)


def main():
    modules = modules_of(sys.argv[1])
    number = int(sys.argv[2])
    if number >= len(modules):
        sys.exit(NO_MODULE)
    resource, spans = modules[number]
    provider = begin_with(attributes_of(resource["attributes"]))
    Replay(provider, sys.argv[3]).run(spans)
    provider.force_flush()
    provider.shutdown()


main()
