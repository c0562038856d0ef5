"""Runs, agents, turns, calls of models and tools, as spans with the attributes that their
readers look for.

    from spanring import genai

    with genai.agent("claude_agent", vendor="anthropic", model=MODEL, input=question) as agent:
        with genai.turn(0) as turn:
            with genai.llm("anthropic", MODEL, input=prompt, temperature=0) as call:
                reply = ask(prompt)
                call.respond(reply.text, usage=genai.Usage.of(reply))
            with genai.tool("search", server="wiki", arguments={"q": "beans"}) as use:
                use.respond(search("beans"))
            turn.respond(usage=genai.Usage.of(reply))
        agent.respond(answer)

Each is a `with` block in which its span is current; `async` code uses the same block. The
span's name and attributes are those of <spanring/genai.h>. What is said of a step is
written at once, so that a process that is killed has said it. The end says OK; an
exception that leaves the block is recorded with its stack trace, says ERROR, and goes on.

Content is kept whole, unless a switch hides it: OPENINFERENCE_HIDE_INPUTS and its kin, and
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT. hidden() tells.

Every step takes `parent`, `kind`, `attributes`, `links` and `start_time`, as
Tracer.start_span() does.
"""
import enum
import json
import random
import time
from typing import (Any, AsyncIterator, Callable, Dict, Iterator, List, Mapping, NamedTuple,
                    Optional, Sequence, Tuple, Type, TypeVar, Union)

from . import _native
from ._types import StatusCode

TEXT_MAX, TEXT_KEPT = 8192, 8000
REDACTED = "__REDACTED__"

_Self = TypeVar("_Self", bound="Step")
_BlockExit = Optional[Type[BaseException]]


class StepKind(enum.IntEnum):
    """OpenInference's kinds of spans."""

    LLM = 1
    AGENT = 2
    CHAIN = 3
    TOOL = 4
    EMBEDDING = 5
    RETRIEVER = 6
    RERANKER = 7
    GUARDRAIL = 8
    EVALUATOR = 9
    PROMPT = 10


class Hidden(enum.IntFlag):
    """What is hidden, for configure(hide=...) and hidden(): all inputs or outputs; what
    models are sent and answer; of that the texts, so that who speaks stays; texts that
    were sent for embeddings; temperature and the like."""

    INPUTS = 0x1
    OUTPUTS = 0x2
    INPUT_MESSAGES = 0x4
    OUTPUT_MESSAGES = 0x8
    INPUT_TEXT = 0x10
    OUTPUT_TEXT = 0x20
    EMBEDDINGS_TEXT = 0x40
    PARAMETERS = 0x80


def provider_name(vendor: str) -> str:
    """The name that OpenTelemetry has for a vendor: "gcp.gemini" for "gemini"."""
    return _native.provider_name(vendor)


def hidden() -> Hidden:
    """Which contents are hidden in this process."""
    return Hidden(_native.hidden())


def _text(value: object) -> Optional[str]:
    """A text as it is; JSON of what is none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        return str(value)


# ---- tokens ---------------------------------------------------------------------------

class Usage(NamedTuple):
    """What a call has used; None is unknown, and not written."""

    input_tokens: Optional[int] = None  # of the whole prompt
    output_tokens: Optional[int] = None  # of the whole answer
    cache_read_tokens: Optional[int] = None  # of the prompt, read from a cache
    cache_creation_tokens: Optional[int] = None  # of the prompt, written to a cache
    reasoning_tokens: Optional[int] = None  # of the answer, not shown in it

    def updated(self, answer: Union[str, bytes]) -> "Usage":
        """With what a vendor's answer says, a JSON text of Gemini, OpenAI or Anthropic, or
        one event of its stream. What it does not say stays; so does all, where it is no
        JSON."""
        raw = answer.encode("utf-8", "replace") if isinstance(answer, str) else bytes(answer)
        found = _native.usage_from_json(tuple(self), raw)
        return self if found is None else Usage(*found)

    @classmethod
    def from_json(cls, answer: Union[str, bytes]) -> "Usage":
        """What a vendor's answer says, a JSON text of Gemini, OpenAI or Anthropic."""
        return cls().updated(answer)

    @classmethod
    def of(cls, answer: object) -> "Usage":
        """The same of a vendor's answer in any form: JSON, a dict, or the object that the
        vendor's package gives, which is asked for its `usage` or `usage_metadata`. What
        says nothing of tokens is no error."""
        if isinstance(answer, (str, bytes)):
            return cls.from_json(answer)
        if not isinstance(answer, Mapping):
            answer = {name: _plain(getattr(answer, name, None))
                      for name in ("usage", "usage_metadata")}
        found = dict(answer)
        gemini = _plain(found.pop("usage_metadata", None))
        if isinstance(gemini, Mapping) and not found.get("usageMetadata"):
            found["usageMetadata"] = {_camel(str(name)): value for name, value in gemini.items()}
        try:
            return cls.from_json(json.dumps(found, default=_plain))
        except (TypeError, ValueError, RecursionError):
            return cls()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: object) -> object:
    """An object of a vendor's package as a dict."""
    if value is None or isinstance(value, (Mapping, list, tuple, str, int, float)):
        return value
    dump = getattr(value, "model_dump", None) or getattr(value, "to_dict", None)
    try:
        return dump() if dump else dict(vars(value))
    except Exception:  # pylint: disable=broad-except
        return None


# ---- steps ----------------------------------------------------------------------------

class Step:
    """A block of work that is a span. `span` is it, within the block and after it."""

    _finish = staticmethod(_native.step_end)

    def __init__(self, begin: Callable[..., _native.Span], *arguments: Any,
                 **named: Any) -> None:
        self._begin, self._arguments, self._named = begin, arguments, named
        self._current: Optional[_native.CurrentSpan] = None
        self.span: _native.Span = _native.INVALID_SPAN

    def __enter__(self: _Self) -> _Self:
        self.span = self._begin(*self._arguments, **self._named)
        self._current = _native.use_span(self.span)
        self._current.__enter__()
        return self

    def __exit__(self, kind: _BlockExit, exception: Optional[BaseException],
                 trace: Any) -> Optional[bool]:
        if self._current is not None:
            self._current.__exit__(kind, exception, trace)
        self._end(exception)
        return None

    def _end(self, exception: Optional[BaseException]) -> None:
        if exception is None or isinstance(exception, Exception):
            self._finish(self.span)
        else:  # interrupted, cancelled, closed: neither OK nor an error of its own
            _native.run_end(self.span)

    def set_attribute(self, key: str, value: object) -> None:
        self.span.set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, object]) -> None:
        self.span.set_attributes(attributes)

    def add_event(self, name: str, attributes: Optional[Mapping[str, object]] = None) -> None:
        self.span.add_event(name, attributes)

    def set_usage(self, usage: Usage) -> None:
        """gen_ai.usage.*; a call's, a turn's, or of any step that stands for some."""
        _native.set_usage(self.span, tuple(usage))

    def set_input(self, text: object) -> None:
        """input.value, unless it is hidden."""
        _native.set_input(self.span, _text(text))

    def set_output(self, text: object) -> None:
        """output.value, unless it is hidden."""
        _native.set_output(self.span, _text(text))

    def fail(self, message: str, error_type: Optional[str] = None) -> None:
        """The step failed, without an exception."""
        if error_type is not None:
            self.span.set_attribute("error.type", error_type)
        self.span.set_status(StatusCode.ERROR, message)


def step(name: str, kind: StepKind = StepKind.CHAIN, **start: Any) -> Step:
    """A step of any of OpenInference's kinds. (`span_kind` is the span's own.)"""
    return Step(_native.step_begin, name, int(kind), **_start(start))


def _start(start: Dict[str, Any]) -> Dict[str, Any]:
    if "span_kind" in start:
        start["kind"] = start.pop("span_kind")
    return start


def module(namespace: str, name: str, **start: Any) -> Step:
    """A module's span, "<namespace>.module.<name>", a CHAIN."""
    return Step(_native.module_begin, namespace, name, **start)


class LlmCall(Step):
    """A call of a model."""

    def respond(self, text: Optional[str] = None, *, model: Optional[str] = None,
                id: Optional[str] = None,
                finish_reasons: Union[None, str, Sequence[str]] = None,
                usage: Optional[Usage] = None, text_max: int = 0, text_kept: int = 0) -> None:
        """What came back. A text of more characters than `text_max` (TEXT_MAX, where it is
        wanted; 0: never) is cut to its first `text_kept` (TEXT_KEPT) and "...[truncated]",
        and the span says so."""
        if isinstance(finish_reasons, str):
            finish_reasons = (finish_reasons,)
        _native.llm_respond(self.span, text=text, model=model, id=id,
                            finish_reasons=None if finish_reasons is None
                            else tuple(finish_reasons),
                            usage=None if usage is None else tuple(usage),
                            text_max=text_max, text_kept=text_kept)


def _messages(messages: Sequence[object]) -> List[Tuple[Optional[str], Optional[str]]]:
    """(role, text) of each: from such pairs, dicts with role and content, or objects."""
    found = []
    for message in messages:
        if isinstance(message, Mapping):
            role, content = message.get("role"), message.get("content", message.get("text"))
        elif isinstance(message, (list, tuple)) and len(message) == 2:
            role, content = message
        else:
            role, content = getattr(message, "role", None), getattr(message, "content", message)
        found.append((_text(role), _text(_plain(content))))
    return found


def llm(vendor: Optional[str], model: Optional[str], *, name: Optional[str] = None,
        operation: str = "chat", temperature: Optional[float] = None,
        top_p: Optional[float] = None, max_tokens: Optional[int] = None,
        seed: Optional[int] = None, input: object = None,
        messages: Optional[Sequence[object]] = None, instructions: object = None,
        **start: Any) -> LlmCall:
    """One call of a model, "chat <model>" unless named: gen_ai.system as it is given,
    gen_ai.provider.name by OpenTelemetry's names, gen_ai.request.*. The prompt is a text
    (`input`) or messages: pairs (role, text), or dicts as the vendors have them."""
    return LlmCall(_native.llm_begin, vendor, model, name=name, operation=operation,
                   temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed,
                   input=_text(input),
                   messages=None if messages is None else _messages(messages),
                   instructions=_text(instructions), **start)


class AgentRun(Step):
    """An agent at work."""

    _finish = staticmethod(_native.agent_end)

    def respond(self, answer: object, usage: Optional[Usage] = None) -> None:
        """Its answer: output.value, and on the root of a run agent.final_response."""
        _native.agent_respond(self.span, _text(answer))
        if usage is not None:
            self.set_usage(usage)


def agent(runner: str, *, vendor: Optional[str] = None, model: Optional[str] = None,
          agent: Optional[str] = None, input: object = None, run: bool = False,
          goal: Optional[str] = None, context_file: Optional[str] = None, join: bool = False,
          **start: Any) -> AgentRun:
    """"agent.run <runner>". With `run` it is the root of a run that begins and ends with
    it; goal, context_file and join are those of spanring.run()."""
    return AgentRun(_native.agent_begin, runner, vendor=vendor, model=model, agent=agent,
                    input=_text(input), run=run, goal=goal, context_file=context_file,
                    join=join, **start)


class Turn(Step):
    """One turn of an agent."""

    def respond(self, usage: Usage) -> None:
        """The tokens of its calls."""
        self.set_usage(usage)


def turn(index: int, **start: Any) -> Turn:
    """"agent.turn" with turn.index, from 0."""
    return Turn(_native.turn_begin, index, **start)


class ToolCall(Step):
    """A call of a tool."""

    def respond(self, result: object) -> None:
        """What it answered; what is no text becomes JSON."""
        _native.tool_respond(self.span, _text(result))


def tool(name: str, *, server: Optional[str] = None, type: Optional[str] = None,
         description: Optional[str] = None, call_id: Optional[str] = None,
         arguments: object = None, **start: Any) -> ToolCall:
    """"tool.call" with tool.name and gen_ai.tool.*; arguments that are no text become
    JSON."""
    return ToolCall(_native.tool_begin, name, server=server, type=type,
                    description=description, call_id=call_id, arguments=_text(arguments),
                    **start)


# ---- trying again -----------------------------------------------------------------------

class Backoff(NamedTuple):
    """How long to wait between attempts: base, twice that, four times, ... and a random
    part, but never more than the most. In milliseconds."""

    base_ms: int = 1000
    jitter_ms: int = 1000
    most_ms: int = 60000

    def delay_s(self, attempt: int, random_bits: Optional[int] = None) -> float:
        """After the attempt of that number, from 0."""
        if random_bits is None:
            random_bits = random.getrandbits(32)
        return _native.backoff_ms(self.base_ms, self.jitter_ms, self.most_ms, attempt,
                                  random_bits) / 1000


class Attempt:
    """One attempt, for a `with` block. An exception makes it fail; it goes on only when
    no attempt is left, or when it is none that is tried again."""

    def __init__(self, retry: "Retry", number: int) -> None:
        self._retry, self.number = retry, number
        self._current: Optional[_native.CurrentSpan] = None
        self.span: _native.Span = _native.INVALID_SPAN

    def __enter__(self) -> "Attempt":
        self.span = _native.Tracer(0).start_span(
            f"attempt_{self.number}", parent=self._retry.span,
            attributes={"retry.attempt": self.number})
        self._current = _native.use_span(self.span)
        self._current.__enter__()
        return self

    def __exit__(self, kind: _BlockExit, exception: Optional[BaseException],
                 trace: Any) -> bool:
        if self._current is not None:
            self._current.__exit__(kind, exception, trace)
        if exception is None or isinstance(exception, Exception):
            _native.step_end(self.span)
        else:
            self.span.end()
        return self._retry.attempted(self, exception)


class Retry(Step):
    """A span around attempts: see retry()."""

    def __init__(self, name: str, attempts_max: int, backoff: Backoff,
                 retry_on: Union[Type[BaseException], Tuple[Type[BaseException], ...]],
                 **start: Any) -> None:
        attributes = {"retry.max_attempts": attempts_max, **(start.pop("attributes", None) or {})}
        super().__init__(_native.step_begin, name, int(StepKind.CHAIN), attributes=attributes,
                         **start)
        self.attempts_max, self._backoff, self._retry_on = attempts_max, backoff, retry_on
        self.attempts = 0
        self.succeeded = False
        self._last: Optional[BaseException] = None

    def _next(self) -> Optional[Attempt]:
        if self.succeeded or self.attempts >= self.attempts_max:
            return None
        self.attempts += 1
        return Attempt(self, self.attempts - 1)

    def _delay_s(self) -> float:
        """Before the next attempt; 0 before the first one and where there is none."""
        if not self.attempts or self.succeeded or self.attempts >= self.attempts_max:
            return 0
        return self._backoff.delay_s(self.attempts - 1)

    def __iter__(self) -> Iterator[Attempt]:
        while True:
            time.sleep(self._delay_s())
            attempt = self._next()
            if attempt is None:
                return
            yield attempt

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        import asyncio  # here alone: it takes longer to load than all the rest
        while True:
            await asyncio.sleep(self._delay_s())
            attempt = self._next()
            if attempt is None:
                return
            yield attempt

    def attempted(self, attempt: Attempt, exception: Optional[BaseException]) -> bool:
        """What came of an attempt; true where its exception is swallowed."""
        self.succeeded = exception is None
        self._last = exception
        return (exception is not None and isinstance(exception, self._retry_on)
                and attempt.number + 1 < self.attempts_max)

    def __exit__(self, kind: _BlockExit, exception: Optional[BaseException],
                 trace: Any) -> Optional[bool]:
        # What the attempts recorded already is not recorded again.
        known = exception is not None and exception is self._last
        if self._current is not None:
            self._current.__exit__(*((None, None, None) if known else (kind, exception, trace)))
        if not self.succeeded and (exception is None or known):
            self.span.set_status(StatusCode.ERROR, "All retry attempts failed"
                                 if self.attempts >= self.attempts_max else
                                 f"Given up after {self.attempts} of {self.attempts_max} attempts")
        self._end(None if known else exception)
        return None


def retry(name: str, attempts_max: int = 3, *, backoff: Backoff = Backoff(),
          retry_on: Union[Type[BaseException], Tuple[Type[BaseException], ...]] = Exception,
          **start: Any) -> Retry:
    """One span around all attempts, and one for each, "attempt_0" and so on:

        with genai.retry("ask_gemini", 3) as tries:
            for attempt in tries:          # or: async for
                with attempt:
                    return ask(prompt)

    Between them it waits (`backoff`). The exception of the last attempt, and one that is
    not of `retry_on`, goes on; the span around then says "All retry attempts failed", or
    that it was given up."""
    return Retry(name, max(attempts_max, 1), backoff, retry_on, **start)
