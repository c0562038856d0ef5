"""Instrumentation scopes."""
from typing import Mapping, Optional

from . import _native


def get_tracer(name: Optional[str] = None, version: Optional[str] = None,
               schema_url: Optional[str] = None,
               attributes: Optional[Mapping[str, object]] = None) -> _native.Tracer:
    """A tracer for a part of the program, usually get_tracer(__name__).

    It may be made before configure(), when modules are loaded, and is good in
    children of fork. Without a name its spans have no scope."""
    if not name:
        return _native.Tracer(0)
    try:
        scope = _native.scope_new(name, version, schema_url, attributes)
    except (TypeError, ValueError):  # a NUL, or no text: no scope
        scope = 0
    return _native.Tracer(max(scope, 0))
