"""A bar that shows how far long work is."""

from collections.abc import Mapping, Sized
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm


def bar(things: str, total: int | None, done: int) -> "tqdm[NoReturn]":
    """Return a bar on stderr. Raises ImportError without tqdm."""
    try:
        from tqdm import tqdm  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "pergamum[progress]"') from error
    return tqdm(total=total, initial=done, unit=f" {things}")


def total_of(source: object) -> int | None:
    """Return how many rows there are, None where that is not said: columns by name are not counted, nor tables."""
    if not isinstance(source, Sized) or isinstance(source, Mapping):
        return None
    first = next(iter(source), None) if isinstance(source, list | tuple) else None
    return len(source) if first is None or isinstance(first, Mapping) else None
