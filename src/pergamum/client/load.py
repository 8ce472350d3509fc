"""The bookkeeping of `add_many`, the same for both clients: what is read, under way, stored, refused."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pergamum.client.batching import MOST_FAILED, Batch, BatchOut, Counts, Failed, Fields, Former, Item, Stored, Wishes
from pergamum.client.call import Call, Reply
from pergamum.client.delivery import Delivery, Kind
from pergamum.client.errors import ClientError, Unsendable
from pergamum.client.pace import Pace
from pergamum.client.progress import bar
from pergamum.client.tables import Noun

MOST_ROWS: Final = 64
"""So many rows are read, and where the client embeds embedded, at once."""


@dataclass(frozen=True, slots=True)
class Store:
    """What is stored, and how: the JSON of an item, and the request that stores some."""

    kind: Kind
    encode: Callable[[Any], bytes]
    call: Callable[[Sequence[bytes]], Call[BatchOut]]

    def batch(self, bodies: Sequence[bytes]) -> Call[Counts]:
        """Return the request that stores so many; of its answer only the counts are read."""
        whole = self.call(bodies)
        return Call(whole.method, whole.path, _counts, body=whole.body, keyed=True)

    @property
    def noun(self) -> Noun:
        """The kind in the plural."""
        return "documents" if self.kind == "document" else "chunks"


def _counts(reply: Reply) -> Counts:
    return Counts.model_validate_json(reply.body)


class Load:
    """One `add_many` under way. Threads: one; the deliveries it hands out may go to others."""

    def __init__(self, store: Store, wishes: Wishes, total: int | None = None) -> None:
        self.store, self._wishes = store, wishes
        self._pace = Pace(wishes.batch_size, wishes.concurrency)
        self._former = Former(self._pace)
        self._read, self._run = 0, wishes.run
        self._open: list[Delivery] = []
        self._created = self._replaced = self._refused = 0
        self._position: int | None = None
        self._failed: list[Failed] = []
        self._bar = bar(store.noun, total, wishes.first) if wishes.progress else None

    @property
    def room(self) -> int:
        """How many rows to read before anything is made of them."""
        return min(MOST_ROWS, self._former.room)

    def skips(self) -> bool:
        """Whether the next row is one of those to skip; it counts as read then."""
        skipped = self._read < self._wishes.first
        self._read += skipped
        return skipped

    def take(self, rows: Iterable[Fields]) -> Iterator[Batch]:
        """Read rows; return the batches that they complete. Raises `Unsendable`, unless those are collected."""
        for fields in rows:
            item = self._item(fields)
            self._read += 1
            if item is not None:
                yield from self._former.take(item)

    def rest(self) -> Iterator[Batch]:
        """Return the last batch, if there is one."""
        return self._former.rest()

    def may_begin(self, batch: Batch) -> bool:
        """Whether the batch may be sent now: one under way with an id of it has to be stored before."""
        return len(self._open) < self._pace.concurrency and all(
            batch.ids.isdisjoint(under_way.batch.ids) for under_way in self._open
        )

    def begun(self, batch: Batch) -> Delivery:
        """Return the batch as it is sent."""
        delivery = Delivery(batch, self.store.kind, self._wishes.on_error, self._pace)
        self._open.append(delivery)
        return delivery

    def note(self, delivery: Delivery) -> None:
        """Note what became of a batch; one that an error ended stays open: what is behind it is not done for sure."""
        self._created += delivery.created
        self._replaced += delivery.replaced
        if delivery.created or delivery.replaced:
            self._position = max(delivery.position, self._position or 0)
        for failed in delivery.failed:
            self._fail(failed)
        if delivery.error is None:
            self._open.remove(delivery)
            self._show(len(delivery.batch.items))

    def stored(self) -> Stored:
        """Return what was done so far; nothing is known of what is under way."""
        undone = [delivery.undone for delivery in self._open]
        reached = min(place for place in (*undone, self._former.first, self._read) if place is not None)
        return Stored(
            created=self._created,
            replaced=self._replaced,
            position=self._position,
            done=reached,
            refused=self._refused,
            failed=tuple(sorted(self._failed)),
            run=self._run,
        )

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def noted(self, error: Exception) -> None:
        """Let the error tell what was stored."""
        stored = self.stored()
        if isinstance(error, ClientError):
            error.stored = stored
        error.add_note(f"{stored.done} leading items are done: go on with skip={stored.done}, or skip=error.stored")

    def _item(self, fields: Fields) -> Item | None:
        index = self._read
        id = fields.get("id")
        if id is None:
            id = str(UUID(int=self._run.int + index))
            fields = {**fields, "id": id}
        try:
            body = self.store.encode(fields)
        except (ValueError, TypeError) as error:
            wrong = Unsendable(f"{self.store.kind} {index}, id {id!r}: {error}")
            if self._wishes.on_error == "raise":
                raise wrong from error
            self._fail(Failed(index, id, wrong))
            self._show(1)
            return None
        return Item(index, id, body)

    def _fail(self, failed: Failed) -> None:
        self._refused += 1
        if len(self._failed) < MOST_FAILED:
            self._failed.append(failed)

    def _show(self, items: int) -> None:
        if self._bar is not None:
            self._bar.update(items)
