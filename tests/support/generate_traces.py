#!/usr/bin/python3
"""Makes OTLP/JSON lines of the measured shape of real runs.

    generate_traces.py FILE [--seed N]

Three modules (resources) take part in the main trace, one after the other, with
values of up to 800,000 characters and spans of 1.6 MB, every status, every kind,
every type of value, an exception event, links, and characters that break naive
writers. Two smaller traces stand beside it. As a Collector writes them: several
batches, each of one resource, spans in the order in which they ended. The same
seed gives the same file.
"""
import argparse
import base64
import json
import random

BASE_NS = 1_751_600_000_000_000_000
MODULES = ("1_01-B_JSON_Goal_to_PlanStructure", "1_03_ingest_and_draft", "2_07_revise_plan")
LARGE = 800_000
ODD_TEXT = "quote \" back\\slash \t tab \n line \u0085 \u2028 \u2029 \x01 é 漢字 🜚 \u007f"
WORDS = ("plan", "draft", "agent", "revise", "model", "garden", "launch", "überprüft")


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.clock = BASE_NS

    def hex(self, digits):
        return f"{self.random.getrandbits(4 * digits) | 1:0{digits}x}"

    def tick(self, low=1_000, high=900_000_000):
        self.clock += self.random.randrange(low, high)
        return self.clock

    def text(self, length):
        """JSON within JSON, as prompts and answers are."""
        words = " ".join(self.random.choice(WORDS) for _ in range(min(length, 500) // 4 + 1))
        text = json.dumps({"step": self.random.randrange(99), "text": words})
        return (text * (length // len(text) + 1))[:length]

    # ---- attributes ----

    def common(self):
        pick = self.random
        return [
            ("input.value", {"stringValue": self.text(pick.randrange(1, 9_000))}),
            ("llm.token_count.prompt", {"intValue": str(pick.randrange(1, 99_999))}),
            ("llm.temperature", {"doubleValue": pick.choice((0.1, 0.7, 1.0, 2.5e-9))}),
            ("cached", {"boolValue": pick.random() < 0.5}),
        ]

    def every_type(self):
        return [
            ("empty.text", {"stringValue": ""}),
            ("odd.text", {"stringValue": ODD_TEXT}),
            ("key with spaces \u2028 é", {"stringValue": "k"}),
            ("int.least", {"intValue": str(-2**63)}),
            ("int.most", {"intValue": str(2**63 - 1)}),
            ("double.tiny", {"doubleValue": 5e-324}),
            ("double.nan", {"doubleValue": "NaN"}),
            ("double.infinite", {"doubleValue": "-Infinity"}),
            ("bytes", {"bytesValue": base64.b64encode(bytes(range(256))).decode()}),
            ("finish_reasons", {"arrayValue": {"values": [
                {"stringValue": "stop"}, {"stringValue": "length"}]}}),
            ("mixed", {"arrayValue": {"values": [
                {"intValue": "1"}, {"boolValue": True}, {"doubleValue": 0.5},
                {"arrayValue": {"values": [{"stringValue": "deep"}]}}]}}),
            ("message", {"kvlistValue": {"values": [
                {"key": "role", "value": {"stringValue": "user"}},
                {"key": "parts", "value": {"arrayValue": {"values": [
                    {"kvlistValue": {"values": [
                        {"key": "n", "value": {"intValue": "7"}}]}}]}}}]}}),
        ]

    def large(self, count):
        return [(f"large.{i}", {"stringValue": self.text(LARGE)}) for i in range(count)]

    # ---- spans ----

    def span(self, trace, parent, name, *, kind=1, attributes=(), status=None, inside=(),
             remote=False, **more):
        """`inside` makes the children, while this span is open."""
        span = {"traceId": trace, "spanId": self.hex(16), "parentSpanId": parent,
                "flags": 768 if remote else 256, "name": name, "kind": kind,
                "startTimeUnixNano": str(self.tick())}
        ended = [made for child in inside for made in child(trace, span["spanId"])]
        span["endTimeUnixNano"] = str(self.tick())
        span["attributes"] = [{"key": key, "value": value} for key, value in attributes]
        span["status"] = status or {}
        span.update(more)
        return ended + [span]

    def call(self, name, **more):
        more.setdefault("attributes", self.common())
        return lambda trace, parent: self.span(trace, parent, name, **more)

    def failing_call(self):
        event = {"timeUnixNano": str(self.clock), "name": "exception", "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in (
                ("exception.type", "anthropic.OverloadedError"),
                ("exception.message", "Error code: 529 - {'type': 'error'}"),
                ("exception.stacktrace", "Traceback (most recent call last):\n  File \"x.py\"\n"
                 + self.text(4_000)),
                ("exception.escaped", "False"))]}
        return self.call("llm.overloaded", kind=3, events=[event],
                         status={"message": event["attributes"][1]["value"]["stringValue"],
                                 "code": 2})

    def linked_call(self):
        links = [{"traceId": self.hex(32), "spanId": self.hex(16), "attributes": [
            {"key": "why", "value": {"stringValue": "retry of"}}]}]
        return self.call("agent.follow", kind=5, links=links, status={"code": 1})

    def module(self, trace, parent, calls):
        children = [self.call("llm.chat", kind=3, status={"code": 1}) for _ in range(calls)]
        children += [self.failing_call(), self.linked_call(),
                     self.call("every type", attributes=self.every_type(), kind=2),
                     self.call("unset", kind=4)]
        return self.span(trace, parent, "agento.module", inside=children, remote=bool(parent),
                         attributes=self.large(1) + self.common(), status={"code": 1})

    def whole_run(self):
        """Spans by module: the root's module first, the others below it later."""
        trace = self.hex(32)
        step = [("agento.step_type", {"stringValue": "plan"}),
                ("gen_ai.response.content", {"stringValue": self.text(4_000)})]
        children = [self.call("generate_plan_structure", attributes=step + self.large(2),
                              status={"code": 1})]
        first = self.span(trace, "", "agento.pipeline", inside=children,
                          attributes=[("user_goal", {"stringValue": "a garden"}),
                                      ("openinference.span.kind", {"stringValue": "AGENT"})],
                          status={"message": "Max iterations reached", "code": 2})
        root = first[-1]["spanId"]
        return [first, self.module(trace, root, 9), self.module(trace, root, 6)]

    def small_run(self, name):
        return self.span(self.hex(32), "", name, inside=[self.call("step") for _ in range(3)],
                         attributes=self.common())

    def resource(self, module):
        pairs = (("telemetry.sdk.language", "python"), ("service.name", "agento"),
                 ("service.version", "1.0.0"), ("agento.module", module),
                 ("service.instance.id", self.hex(32)), ("odd", ODD_TEXT))
        return {"attributes": [{"key": key, "value": {"stringValue": value}}
                               for key, value in pairs]}

    def lines(self):
        modules = self.whole_run()
        modules[0] += self.small_run("agento.retry")
        modules[1] += self.small_run("agento.second")
        for name, spans in zip(MODULES, modules):
            resource = self.resource(name)
            while spans:
                batch, spans = spans[:4], spans[4:]
                yield {"resourceSpans": [{"resource": resource, "scopeSpans": [
                    {"scope": {"name": "__main__", "version": "0.3"}, "spans": batch}]}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with open(options.file, "w", encoding="utf-8") as out:
        for line in Maker(options.seed).lines():
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
