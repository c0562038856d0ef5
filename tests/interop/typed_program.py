"""A program with type hints that uses the package spanring, for mypy; it is not run."""
from typing import AsyncIterator, Iterator, List, Optional, assert_type

import spanring
import spanring.testing
from spanring import genai, semconv


@spanring.traced
def plain(goal: str) -> List[str]:
    return [goal]


@spanring.traced("named", capture_arguments=("count",))
async def awaited(count: int) -> int:
    return count


@spanring.traced
def generator() -> Iterator[int]:
    yield 1


@spanring.traced()
async def stream() -> AsyncIterator[str]:
    yield "a"


async def program() -> None:
    assert_type(spanring.configure("typed", sigterm="exit"), spanring.State)
    tracer = spanring.get_tracer(__name__, "1")
    assert_type(plain("x"), List[str])
    assert_type(await awaited(1), int)
    for number in generator():
        assert_type(number, int)
    async for text in stream():
        assert_type(text, str)
    with tracer.start_as_current_span("outer", kind=spanring.SpanKind.CLIENT,
                                      attributes={semconv.GEN_AI_SYSTEM: "gemini"},
                                      links=[spanring.Link(spanring.SpanContext(1, 2))]) as outer:
        assert_type(outer, spanring.Span)
        outer.set_attributes({"a": 1, "b": [1.5, "x"]})
        assert_type(spanring.extract({"traceparent": ""}), Optional[spanring.SpanContext])
        tracer.start_span("inner", parent=outer.get_span_context()).end()
    with spanring.run("run", goal="g") as run:
        run.respond("done")
    with genai.llm("gemini", "m", input="x") as call:
        assert_type(call, genai.LlmCall)
        call.respond("y", usage=genai.Usage.of({}))
    async for attempt in genai.retry("r"):
        with attempt:
            assert_type(attempt.number, int)
    with spanring.testing.sink() as sink:
        assert_type(sink.spans, List[spanring.testing.RecordedSpan])
    plain(5)  # type: ignore[arg-type]
    outer.end("now")  # type: ignore[arg-type]
