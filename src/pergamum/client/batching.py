"""What is stored in batches, and what came of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar
from uuid import UUID, uuid4

from pydantic import BaseModel

from pergamum.client.errors import ClientError
from pergamum.client.pace import Auto, Pace
from pergamum.wire.chunks import ChunkBatchOut
from pergamum.wire.documents import DocumentBatchOut

T = TypeVar("T")
BatchOut: TypeAlias = DocumentBatchOut | ChunkBatchOut
Fields: TypeAlias = Mapping[str, Any]
Refusals: TypeAlias = Literal["raise", "collect"]
"""What a refused item does: ends the work, or is left out and told of at the end."""
MOST_BYTES: Final = 16 << 20
MOST_FAILED: Final = 10_000
_NUMBERS: Final = (1 << 48) - 1


class Counts(BaseModel):
    """What an answer to a batch says, without the items."""

    created: int
    replaced: int
    position: int


class Failed(NamedTuple):
    """An item that is not stored: its place in what was given, from 0, its id, and why."""

    place: int
    id: str
    error: ClientError


def fresh_run() -> UUID:
    """Return a random UUID that leaves room to count the items of a run."""
    return UUID(int=uuid4().int & ~_NUMBERS)


@dataclass(frozen=True, slots=True)
class Stored:
    """What `add_many` stored.

    `done` leading items of what was given are dealt with for sure, those skipped included: stored, or in `failed`,
    which holds the first MOST_FAILED of all `refused`. `position` is the library's after the last batch, None when
    there was none. `run` is what the ids of items without one are made of, by their places.
    """

    created: int = 0
    replaced: int = 0
    position: int | None = None
    done: int = 0
    refused: int = 0
    failed: Sequence[Failed] = ()
    run: UUID = field(default_factory=fresh_run, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How things are to be stored. Raises ValueError for what cannot be wished."""

    batch_size: int | Auto = "auto"
    concurrency: int | Auto = "auto"
    progress: bool = False
    on_error: Refusals = "raise"
    skip: int | Stored = 0

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("concurrency", self.concurrency)):
            if value != "auto" and int(value) < 1:
                raise ValueError(f'{name} is "auto" or a number from 1, received {value!r}')
        if self.on_error not in {"raise", "collect"}:
            raise ValueError(f'on_error is "raise" or "collect", received {self.on_error!r}')
        if self.first < 0:
            raise ValueError(f"skip is a number from 0, received {self.skip!r}")

    @property
    def first(self) -> int:
        """The place of the first item that is not skipped."""
        return self.skip.done if isinstance(self.skip, Stored) else self.skip

    @property
    def run(self) -> UUID:
        """What ids are made of: as before where a run is resumed."""
        return self.skip.run if isinstance(self.skip, Stored) else fresh_run()


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to store, as JSON, with its place in what was given."""

    index: int
    id: str
    body: bytes


class Batch:
    """Items with ids that differ, to be stored by one request."""

    __slots__ = ("ids", "items", "size")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.ids: set[str] = set()
        self.size = 0

    def add(self, item: Item) -> None:
        """Take another one in."""
        self.items.append(item)
        self.ids.add(item.id)
        self.size += len(item.body)


class Former:
    """Groups items, in order, into batches as large as the pace says.

    A batch is given out as soon as it is full, and before an item that has no room in it or whose id is in it.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace, self._batch = pace, Batch()

    @property
    def room(self) -> int:
        """How many more items the batch takes, unless their bytes or ids forbid it."""
        return max(1, self._pace.items - len(self._batch.items))

    @property
    def first(self) -> int | None:
        """The place of the first item that was not given out."""
        return self._batch.items[0].index if self._batch.items else None

    def take(self, item: Item) -> Iterator[Batch]:
        """Take an item; return the batches that this completes, at most two."""
        batch = self._batch
        if batch.items and (batch.size + len(item.body) > self._pace.bytes or item.id in batch.ids):
            yield from self.rest()
        self._batch.add(item)
        if len(self._batch.items) >= self._pace.items:
            yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        """Return what is left, if anything."""
        batch, self._batch = self._batch, Batch()
        if batch.items:
            yield batch


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
