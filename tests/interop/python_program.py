"""What a program can say by OpenTelemetry's API, everything once. Each span has a name
of its own; times are given where they are compared."""
import asyncio
import contextvars
import threading

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import (Link, NonRecordingSpan, SpanContext, SpanKind, Status,
                                 StatusCode, TraceFlags, TraceState)
from python_provider import begin

NOW_NS = 1_795_000_000_000_000_123
REMOTE = SpanContext(0x0af7651916cd43dd8448eb211c80319c, 0xb7ad6b7169203331, True,
                     TraceFlags(TraceFlags.SAMPLED), TraceState([("vendor", "one"), ("b", "2")]))
VALUES = {
    "text": "na\u00efve \u2028 \U0001f600 \x01 \" \\ \t", "empty": "", "yes": True, "no": False,
    "whole": 2**63 - 1, "negative": -2**63, "half": 0.5, "small": 1e-300,
    "infinite": float("inf"), "bytes": b"\x00\xff",
    "texts": ["a", "", "\u00e9"], "numbers": (1, -2, 3), "doubles": [0.5, -1.25],
    "truths": [True, False], "nothing": [], "mixed": [1, "a", None, 2.5, True, b"b"],
    "map": {"a": 1, "b": {"c": ["d", {"e": False}]}, "nothing": {}},
}

provider = begin()
tracer = trace.get_tracer("spanring.interop", "1.2.3", schema_url="https://example.com/1.0",
                          attributes={"scope.answer": 42, "scope.name": "inner"})
plain = provider.get_tracer("plain")


def values():
    tracer.start_span("given at the start", kind=SpanKind.PRODUCER, attributes=VALUES,
                      start_time=NOW_NS).end(NOW_NS + 5)
    with tracer.start_as_current_span("given one by one", kind=SpanKind.CONSUMER) as span:
        for key, value in VALUES.items():
            span.set_attribute(key, value)
        span.set_attribute("half", "replaced")
    with tracer.start_as_current_span("given together", attributes={"text": "first"}) as span:
        span.set_attributes(VALUES)
        span.set_attributes({})
    with plain.start_as_current_span("a large one") as span:
        span.set_attribute("gen_ai.prompt", "p" * 800_000)


def events_and_links():
    span = tracer.start_span("events and links", kind=SpanKind.CLIENT, links=[
        Link(REMOTE, {"why": "at the start", **VALUES}), Link(trace.INVALID_SPAN_CONTEXT)])
    span.add_event("without attributes", timestamp=NOW_NS + 1)
    span.add_event("with attributes", VALUES, NOW_NS + 2)
    span.add_event("", {"a": 1}, NOW_NS + 3)
    span.add_link(REMOTE, {"why": "later"})
    span.add_link(trace.INVALID_SPAN_CONTEXT)
    span.end()


def statuses():
    said = {
        "nothing": [],
        "unset": [(StatusCode.UNSET,)],
        "ok": [(StatusCode.OK,)],
        "ok, described": [(StatusCode.OK, "is not kept")],
        "error": [(StatusCode.ERROR, "na\u00efve \u2028 failure")],
        "error, twice": [(StatusCode.ERROR, "first"), (StatusCode.ERROR, "second")],
        "error, then ok": [(StatusCode.ERROR, "first"), (StatusCode.OK,)],
        "ok, then error": [(StatusCode.OK,), (StatusCode.ERROR, "too late")],
        "error, then unset": [(Status(StatusCode.ERROR, "stays"),), (StatusCode.UNSET,)],
        "a status": [(Status(StatusCode.ERROR, "in an object"),)],
    }
    for name, calls in said.items():
        with tracer.start_as_current_span(f"status {name}") as span:
            for call in calls:
                span.set_status(*call)


class Trouble(Exception):
    """What goes wrong here."""


def raising(name, **options):
    try:
        with tracer.start_as_current_span(name, **options):
            raise Trouble(f"in {name}")
    except Trouble:
        pass


def exceptions():
    raising("raises")
    raising("raises, not recorded", record_exception=False)
    raising("raises, no status", set_status_on_exception=False)
    try:
        with tracer.start_span("raises, not current"):
            raise KeyError("k")
    except KeyError:
        pass
    with tracer.start_as_current_span("records") as span:
        span.record_exception(Trouble("told"), {"more": 1}, NOW_NS + 4, True)
        span.record_exception(ValueError("\u00fc"), {"exception.message": "mine"})
    try:
        with tracer.start_as_current_span("raises what is no error"):
            raise GeneratorExit
    except GeneratorExit:
        pass


def names_and_ends():
    with tracer.start_as_current_span("an old name") as span:
        span.update_name("a new name")
    span = tracer.start_span("ended at a time", start_time=NOW_NS)
    span.end(NOW_NS + 1_000)
    span.set_attribute("too", "late")
    span.add_event("too late")
    span.update_name("too late")
    span.set_status(StatusCode.ERROR)
    span.end(NOW_NS + 2_000)
    with tracer.start_as_current_span("left open", end_on_exit=False) as span:
        pass
    span.set_attribute("still", "open")
    span.end()


@tracer.start_as_current_span("decorated")
def decorated():
    trace.get_current_span().set_attribute("within", True)


@tracer.start_as_current_span("decorated, async")
async def decorated_async():
    await asyncio.sleep(0)
    trace.get_current_span().set_attribute("within", True)


async def branch(name):
    with tracer.start_as_current_span(name):
        await asyncio.sleep(0)
        with tracer.start_as_current_span(f"below {name}"):
            await asyncio.sleep(0)


async def tasks():
    with tracer.start_as_current_span("tasks"):
        await asyncio.gather(branch("left"), branch("right"), decorated_async())


def in_thread(name):
    with tracer.start_as_current_span(name):
        pass


def nesting():
    with tracer.start_as_current_span("outer") as outer:
        with tracer.start_as_current_span("middle"):
            decorated()
            with trace.use_span(outer):
                tracer.start_span("beside the middle").end()
            tracer.start_span("a root", context=context_api.Context()).end()
            run = contextvars.copy_context().run
            thread = threading.Thread(target=run, args=(in_thread, "in a thread"))
            thread.start()
            thread.join()
    asyncio.run(tasks())
    remote = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    with tracer.start_as_current_span("below a remote one", remote, kind=SpanKind.SERVER):
        with plain.start_as_current_span("further below"):
            pass


values()
events_and_links()
statuses()
exceptions()
names_and_ends()
nesting()
print(provider.force_flush())
provider.shutdown()
