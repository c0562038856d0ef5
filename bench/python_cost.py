#!/usr/bin/python3
"""What a span costs in Python: the package spanring beside OpenTelemetry's SDK, in
one run of one interpreter.

    python_cost.py [--build DIR] [--rounds N] [--spans N]

CPU is the process's, all of its threads. The SDK has its batch processor and an
exporter that throws everything away, which is the least it can be given; what it
holds is lost with the process. spanring has its agent, which drains, logs and
archives in a process of its own. The rounds alternate; the table has the median
and the best of each, and the ratio of the medians. The same work by OpenTelemetry's
API on spanring.otel's provider comes last, because from then on the current span is
kept by both. Fails above the limit."""
import argparse
import gc
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/interop")]

LIMIT_NS = 1500  # of a native span with four attributes, at best
MODEL = "gemini-2.0-flash-001"


# ---- the work, the same for both ----------------------------------------------------

def empty(tracer, count):
    start = tracer.start_span
    for _ in range(count):
        start("llm.call").end()


def four_at_start(tracer, count):
    start = tracer.start_span
    for number in range(count):
        start("llm.call", attributes={"gen_ai.request.model": MODEL, "gen_ai.system": "gemini",
                                      "gen_ai.usage.input_tokens": number,
                                      "gen_ai.request.temperature": 0.5}).end()


def four_later(tracer, count):
    start = tracer.start_span
    for number in range(count):
        span = start("llm.call")
        span.set_attribute("gen_ai.request.model", MODEL)
        span.set_attribute("gen_ai.system", "gemini")
        span.set_attribute("gen_ai.usage.input_tokens", number)
        span.set_attribute("gen_ai.request.temperature", 0.5)
        span.end()


def four_in_a_block(tracer, count):
    start = tracer.start_as_current_span
    for number in range(count):
        with start("llm.call", attributes={"gen_ai.request.model": MODEL,
                                           "gen_ai.system": "gemini",
                                           "gen_ai.usage.input_tokens": number,
                                           "gen_ai.request.temperature": 0.5}):
            pass


def a_large_prompt(tracer, count):
    prompt = "What shall we plant? " * 400
    start = tracer.start_span
    for _ in range(count):
        span = start("llm.call")
        span.set_attribute("input.value", prompt)
        span.end()


WORK = {"start, end": empty, "start with 4 attributes, end": four_at_start,
        "start, 4 set_attribute, end": four_later,
        "with block, current, 4 attributes": four_in_a_block,
        "start, an 8 KB attribute, end": a_large_prompt}
LIMITED = ("start with 4 attributes, end", "start, 4 set_attribute, end")


# ---- measuring, under the interpreter that has the SDK ---------------------------------

def sdk_tracer():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (BatchSpanProcessor, SpanExporter,
                                                SpanExportResult)

    class Nowhere(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    return provider.get_tracer("bench")


def otel_tracer():
    from spanring.otel import TracerProvider
    return TracerProvider().get_tracer("bench")


def cost_ns(work, tracer, count):
    gc.collect()
    began = time.process_time_ns()
    work(tracer, count)
    return (time.process_time_ns() - began) / count


def measure(rounds, spans):
    import spanring
    state = spanring.configure("bench")
    assert state, state.text
    peers = {"spanring": (spanring.get_tracer("bench"), spans), "sdk": (sdk_tracer(), spans // 10)}
    costs = {name: {peer: [] for peer in peers} for name in WORK}
    for name, work in WORK.items():
        for _ in range(rounds):
            for peer, (tracer, count) in peers.items():
                costs[name][peer].append(cost_ns(work, tracer, count))
            spanring.flush(60)
    by_api = otel_tracer()
    for name, work in WORK.items():
        costs[name]["otel"] = [cost_ns(work, by_api, spans // 5) for _ in range(rounds)]
        spanring.flush(60)
    state = spanring.state()
    costs["refused"] = state.refused_ring_full + state.refused_no_memory
    print(json.dumps(costs))


# ---- the table ------------------------------------------------------------------------------

def report(costs):
    refused = costs.pop("refused")
    print(f"Python {sys.version.split()[0]}, ns of CPU a span" + " " * 20 +
          "spanring     (best)          SDK   ratio   spanring.otel   ratio")
    over = []
    for name, peers in costs.items():
        ours, theirs, otel = (statistics.median(peers[peer])
                              for peer in ("spanring", "sdk", "otel"))
        best = min(peers["spanring"])
        print(f"  {name:36}{ours:24.0f}{best:11.0f}{theirs:13.0f}{theirs / ours:8.1f}"
              f"{otel:16.0f}{theirs / otel:8.1f}")
        if name in LIMITED and best > LIMIT_NS:
            over.append(name)
    if refused:
        print(f"{refused} spans were refused: the agent was too slow for these numbers")
    for name in over:
        print(f"above the limit of {LIMIT_NS} ns: {name}")
    return 1 if over or refused else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure(arguments.rounds, arguments.spans)
    os.environ["BUILD"] = str(pathlib.Path(arguments.build).resolve())
    import peers
    import support
    with support.Place(on_tmpfs=True) as place, support.Agent(place, quick=False):
        done = subprocess.run(
            [str(peers.python()), __file__, "--measure", "--rounds", str(arguments.rounds),
             "--spans", str(arguments.spans)], check=True, stdout=subprocess.PIPE,
            env=place.environment(PYTHONPATH=str(support.BUILD / "python"),
                                  SPANRING_RING_MAX="512M"))
    return report(json.loads(done.stdout))


sys.exit(main())
