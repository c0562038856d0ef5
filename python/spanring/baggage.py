"""Baggage: names and values that travel with a request, beside its trace.

    with spanring.baggage.attached(user="ada"):
        spanring.inject(headers)

A context without baggage of its own has what this process was started with. The
limits are those of W3C Baggage: 180 members, 8,192 bytes.
"""
import contextlib
import contextvars
from typing import Dict, Iterator, Optional

from . import _native

_header: "contextvars.ContextVar[Optional[str]]" = contextvars.ContextVar(
    "spanring_baggage", default=None)


def header() -> str:
    """The value of the header `baggage`; empty where there is none."""
    text = _header.get()
    return _native.baggage_inherited() if text is None else text


def get_all() -> Dict[str, str]:
    """Every name with its value."""
    return {name: value for name, value, _ in _native.baggage_members(header())}


def get(name: str) -> Optional[str]:
    """The value under a name."""
    return get_all().get(name)


def set(name: str, value: str, metadata: Optional[str] = None) -> bool:
    """Puts a value under a name, for the rest of this context (a task, a request, a
    `with attached()`). False: it could not be sent, or is above the limits."""
    try:
        text = _native.baggage_set(header(), name, value, metadata)
    except (TypeError, ValueError):
        text = None
    if text is None:
        return False
    _header.set(text)
    return True


def remove(name: str) -> None:
    """Takes a name away, for the rest of this context."""
    _header.set(_native.baggage_remove(header(), name))


@contextlib.contextmanager
def attached(_text: Optional[str] = None, **members: str) -> Iterator[None]:
    """A block with baggage: `_text`, else what there was, and these members."""
    token = _header.set(header() if _text is None else _text)
    try:
        for name, value in members.items():
            set(name, value)
        yield
    finally:
        try:
            _header.reset(token)
        except ValueError:
            pass  # left in another context, which never had it
