"""The small types of the API."""
import enum
from typing import Mapping, NamedTuple, Optional


class SpanKind(enum.IntEnum):
    """What a span is in a conversation of services."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(enum.IntEnum):
    """How the work of a span went. OK is final."""

    UNSET = 0
    OK = 1
    ERROR = 2


class SpanContext(NamedTuple):
    """A span's place in a trace, which may lie in another process."""

    trace_id: int
    span_id: int
    trace_flags: int = 0
    trace_state: str = ""
    is_remote: bool = False

    @property
    def is_valid(self) -> bool:
        return bool(self.trace_id and self.span_id)

    @property
    def is_sampled(self) -> bool:
        return bool(self.trace_flags & 1)

    @property
    def trace_id_hex(self) -> str:
        return format(self.trace_id, "032x")

    @property
    def span_id_hex(self) -> str:
        return format(self.span_id, "016x")


class Link(NamedTuple):
    """A relation to another span, for the start of one."""

    context: SpanContext
    attributes: Optional[Mapping[str, object]] = None
