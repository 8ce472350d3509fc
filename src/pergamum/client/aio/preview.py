"""What a notebook asks for while it shows a value."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def preview(fetch: Callable[[], Awaitable[T]]) -> T | None:
    """Return None: while a value is shown nothing can be waited for."""
    del fetch
    return None
