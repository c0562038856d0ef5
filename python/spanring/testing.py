"""What a program has recorded, for its unit tests: no agent, no files to look for, no
waiting.

    def test_answer():
        with spanring.testing.sink() as sink:
            answer("what grows here?")                   # the code that is tested
            call = sink.find("chat gemini-1.5-pro")
            assert call.status == spanring.StatusCode.OK
            assert call.attributes["gen_ai.usage.input_tokens"] == 912
            assert call.parent.name == "agent.turn"
            assert sink.text(names_only=True) == TREE

Within the block this process records into a private directory, and nobody else reads it.
Its children, forked or started with SPANRING_DIR=sink.directory, are seen, too.
"""
import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from . import _configure, _native
from ._types import SpanContext, SpanKind, StatusCode


class RecordedEvent(NamedTuple):
    """Something that happened in a span."""

    name: str
    timestamp: int
    attributes: Dict[str, Any]


class RecordedLink(NamedTuple):
    """A relation to another span."""

    context: SpanContext
    attributes: Dict[str, Any]


@dataclasses.dataclass(eq=False)
class RecordedSpan:
    """A span as it was recorded so far. `parent` is None for a root, and where the parent
    was not recorded here: then parent_span_id is not 0."""

    name: str
    context: SpanContext
    parent_span_id: int
    kind: SpanKind
    status: StatusCode
    status_message: str
    ended: bool
    start_time: int
    end_time: int  # 0 while it is open
    attributes: Dict[str, Any]
    events: List[RecordedEvent]
    links: List[RecordedLink]
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    scope: str
    scope_version: str
    resource: Dict[str, Any]
    parent: Optional["RecordedSpan"] = dataclasses.field(default=None, repr=False)
    children: List["RecordedSpan"] = dataclasses.field(default_factory=list, repr=False)


def _made(found: Dict[str, Any]) -> RecordedSpan:
    found = {name: value for name, value in found.items() if name != "parent"}
    found["kind"] = SpanKind(found["kind"] or SpanKind.INTERNAL)
    found["status"] = StatusCode(found["status"])
    found["events"] = [RecordedEvent(*event) for event in found["events"]]
    found["links"] = [RecordedLink(*link) for link in found["links"]]
    return RecordedSpan(**found)


class Sink:
    """What was recorded since the block began."""

    @property
    def spans(self) -> List[RecordedSpan]:
        """All spans, in the order they began; open ones, too."""
        found, _ = _native.test_snapshot()
        spans = [_made(one) for one in found]
        for span, one in zip(spans, found):
            if one["parent"] >= 0:
                span.parent = spans[one["parent"]]
                span.parent.children.append(span)
        return spans

    @property
    def refused(self) -> int:
        """Calls that were not recorded."""
        return _native.test_snapshot()[1]

    @property
    def directory(self) -> str:
        """For children that are started: their SPANRING_DIR."""
        return _native.test_directory() or ""

    def find(self, name: str) -> RecordedSpan:
        """The first span of that name; LookupError: there is none."""
        spans = self.spans
        for span in spans:
            if span.name == name:
                return span
        raise LookupError(f"no span {name!r} among {[span.name for span in spans]}")

    def text(self, names_only: bool = False) -> str:
        """The tree as lines that are the same with every run, without ids and times:
        to be compared with a text of yours. See <spanring/testing.h>."""
        return _native.test_text(names_only)


@contextlib.contextmanager
def sink(service_name: Optional[str] = None, *, environment: bool = False,
         **options: Any) -> Iterator[Sink]:
    """A block that is recorded for its test. A configure() in the code that is tested
    changes nothing then. `options` are configure()'s for the resource and the ring; the
    environment is not read, unless it is asked for.

    RuntimeError: tracing is on already."""
    if _native.state()["on"]:
        raise RuntimeError("tracing is on already: spanring.shutdown() first")
    options["resource"] = {**_configure.runtime(), **(options.get("resource") or {})}
    options.setdefault("module", _configure.module_name())
    r = _native.test_begin(service_name=service_name,
                           flags=0 if environment else _configure.IGNORE_ENVIRONMENT,
                           **options)
    if r < 0:
        raise RuntimeError(f"the sink cannot be made: {_native.state()['text']}")
    _configure.adopt()
    try:
        yield Sink()
    finally:
        _native.test_end()
        _configure.shutdown()
