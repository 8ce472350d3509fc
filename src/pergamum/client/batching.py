"""Storing more than fits one request, one batch at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pergamum.wire.chunks import ChunkBatchOut
from pergamum.wire.documents import DocumentBatchOut

T = TypeVar("T")
BatchOut: TypeAlias = DocumentBatchOut | ChunkBatchOut
MOST_ITEMS = 1_000
MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """What a series of batches stored; `position` is the library's after the last, None when there was nothing."""

    created: int = 0
    replaced: int = 0
    position: int | None = None


def batches(
    items: Iterable[T], most: int, most_bytes: int = MOST_BYTES, *, size: Callable[[T], int]
) -> Iterator[list[T]]:
    """Group the items, in order, into lists of at most `most` items and, unless one alone is more, `most_bytes`.

    A full list is given out before the next item is asked for.
    """
    batch: list[T] = []
    room = most_bytes
    for item in items:
        needed = size(item)
        if batch and needed > room:
            yield batch
            batch, room = [], most_bytes
        batch.append(item)
        room -= needed
        if len(batch) == most:
            yield batch
            batch, room = [], most_bytes
    if batch:
        yield batch
