"""Both APIs in one program: the current span is one, whoever makes it current. Each
span is called after the one that it must be below."""
import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import spanring
from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from python_provider import begin

ours = spanring.get_tracer("ours")
with contextlib.ExitStack() as before:
    # Current before there is a provider.
    spanring.configure("both")
    before.enter_context(ours.start_as_current_span("root"))
    begin()
    theirs = trace.get_tracer("theirs")
    theirs.start_span("root/first").end()
theirs.start_span("none/after").end()


def is_current(name, *spans):
    for span in spans:
        place = span.get_span_context()
        for current in (spanring.current_span(), trace.get_current_span()):
            found = current.get_span_context()
            assert (found.trace_id, found.span_id) == (place.trace_id, place.span_id), name


@spanring.traced(name="traced")
def traced():
    theirs.start_span("traced/in").end()


async def ask(name):
    with ours.start_as_current_span(f"mixed/{name}"):
        await asyncio.sleep(0)
        with theirs.start_as_current_span(f"{name}/otel"):
            await asyncio.sleep(0)
            ours.start_span("otel/native").end()


def steps():
    with ours.start_as_current_span("theirs2/generator"):
        yield
        with theirs.start_as_current_span("generator/last"):
            yield


with theirs.start_as_current_span("none/theirs") as one:
    is_current("theirs", one)
    one.set_attribute("by", "otel")
    spanring.current_span().set_attribute("by.native", True)
    with ours.start_as_current_span("theirs/ours") as two:
        is_current("ours", two)
        trace.get_current_span().set_attribute("by.otel", True)
        trace.get_current_span().add_event("otel's")
        with theirs.start_as_current_span("ours/inner") as three:
            is_current("inner", three)
            with spanring.use_span(two):
                theirs.start_span("ours/again").end()
            headers, others = {}, {}
            spanring.inject(headers)
            propagate.inject(others)
            assert headers["traceparent"] == others["traceparent"], f"{headers} {others}"
        is_current("ours again", two)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: theirs.start_span("ours/pool").end()).result()
        thread = threading.Thread(target=lambda: theirs.start_span("none/thread").end())
        thread.start()
        thread.join()
    is_current("theirs again", one)
    child = os.fork()
    if child == 0:
        # Its parent's span is a parent in it, and not its own to write to.
        trace.get_current_span().set_attribute("by.child", True)
        with theirs.start_as_current_span("theirs/forked"):
            ours.start_span("forked/native").end()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with spanring.use_span(one):
        is_current("used", one)
        spanring.current_span().set_attribute("by.used", True)
        ours.start_span("theirs/used").end()

# A place that came from elsewhere, made current by either.
carrier = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
token = context_api.attach(propagate.extract(carrier))
ours.start_span("remote/native").end()
context_api.detach(token)
with spanring.context.received(carrier):
    theirs.start_span("remote/otel").end()
    assert trace.get_current_span().get_span_context().is_remote
    assert not trace.get_current_span().is_recording()


async def main():
    with theirs.start_as_current_span("none/mixed"):
        await asyncio.gather(ask("a"), ask("b"))
        traced()

asyncio.run(main())

with theirs.start_as_current_span("none/theirs2"):
    generator = steps()
    next(generator)
    theirs.start_span("generator/between").end()  # generators share their caller's context
    next(generator)
    generator.close()
    theirs.start_span("theirs2/closed").end()
assert not trace.get_current_span().is_recording()
assert not spanring.current_span().is_recording()
