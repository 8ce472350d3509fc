"""What a notebook asks for while it shows a value."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def preview(fetch: Callable[[], T]) -> T | None:
    """Return what is fetched."""
    return fetch()
