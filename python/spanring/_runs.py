"""Runs: one execution of a pipeline, one trace, one archive file."""
import os
from typing import Any, Mapping, Optional

from . import _native
from ._types import SpanKind


def run_begin(name: str, goal: Optional[str] = None, *,
              attributes: Optional[Mapping[str, object]] = None,
              kind: SpanKind = SpanKind.INTERNAL, start_time: Optional[int] = None,
              context_file: Optional["os.PathLike[str] | str"] = None,
              join: bool = False) -> _native.Span:
    """Begins a run and returns its root span, which is of a new trace and not made
    current: see run(). With a goal the span is an agent's, and has it as `user_goal`.

    `context_file` is where the root's context goes for later modules;
    SPANRING_CONTEXT_FILE where nothing is said, "" for nowhere. With `join` the span
    becomes a part of the run that TRACEPARENT names, where it is set."""
    path = None if context_file is None else os.fspath(context_file)
    return _native.run_begin(name, goal, attributes=attributes, kind=kind,
                             start_time=start_time, context_file=path, join=join)


def run_end(root: _native.Span, final_response: Optional[str] = None,
            expected_response: Optional[str] = None) -> None:
    """Ends the root span and says that the run is complete: its file is closed."""
    _native.run_end(root, final_response, expected_response)


class Run:
    """A run for a `with` block; within, its root span is current.

    Leaving the block ends the run, with ERROR if an exception leaves it. What
    respond() was told becomes the root's final response."""

    def __init__(self, name: str, goal: Optional[str] = None, **options: Any) -> None:
        self._name, self._goal, self._options = name, goal, options
        self._current: Optional[_native.CurrentSpan] = None
        self._responses: "tuple[Optional[str], Optional[str]]" = (None, None)
        self.span: _native.Span = _native.INVALID_SPAN

    def respond(self, final_response: Optional[str],
                expected_response: Optional[str] = None) -> None:
        """What the run has come to; written when it ends."""
        self._responses = (final_response, expected_response)

    def __enter__(self) -> "Run":
        self.span = run_begin(self._name, self._goal, **self._options)
        self._current = _native.use_span(self.span)
        self._current.__enter__()
        return self

    def __exit__(self, kind: Any, exception: Optional[BaseException], trace: Any) -> None:
        if self._current is not None:
            self._current.__exit__(kind, exception, trace)
        run_end(self.span, *self._responses)


run = Run
