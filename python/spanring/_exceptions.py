"""Exceptions, as OpenTelemetry's conventions write them."""
import traceback
from typing import Tuple


def describe(exception: BaseException) -> Tuple[str, str, str]:
    """(exception.type, exception.message, exception.stacktrace)"""
    kind = type(exception)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(exception)
    except Exception:  # pylint: disable=broad-except
        message = ""
    try:
        trace = "".join(traceback.format_exception(kind, exception, exception.__traceback__))
    except Exception:  # pylint: disable=broad-except
        trace = ""
    return name, message, trace
