"""What the native module borrows from Python."""
import collections.abc
import enum

from . import _native
from ._exceptions import describe
from ._traced import decorate
from ._types import SpanContext

_native.lend({
    "span_context": SpanContext,
    "describe": describe,
    "decorate": decorate,
    "mapping": collections.abc.Mapping,
    "sequence": (collections.abc.Sequence, collections.abc.Set),
    "enumeration": enum.Enum,
})
