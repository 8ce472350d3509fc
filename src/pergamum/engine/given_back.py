"""Giving memory back to the system once it is free."""

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Return to the system what has been freed: the C library keeps it for later, however much a build has taken.

    Milliseconds for hundreds of megabytes, without the interpreter lock. Does nothing where the C library is not
    glibc's.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    return found
