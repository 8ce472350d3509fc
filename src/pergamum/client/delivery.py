"""One batch on its way: which part of it goes next, and what becomes of it when the server refuses."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pergamum.client.batching import Batch, Counts, Failed, Item, Refusals
from pergamum.client.errors import ClientError, Conflict, Invalid, NotFound, Refused, TooLarge, Unavailable
from pergamum.client.pace import Pace
from pergamum.client.retry import Retries

Kind: TypeAlias = Literal["document", "chunk"]
MOST_PAUSES: Final = 8
"""So often in a row a part that the server puts off is sent again, after the repetitions of the transport."""
LONGEST_PAUSE: Final = 60.0
FEW_REFUSALS: Final = 3
_PUT_OFF: Final = frozenset({429, 503})
_PASSING: Final = Retries(limit=MOST_PAUSES, first=1.0, longest=LONGEST_PAUSE)
_PLACE: Final = re.compile(r"body\.(?:documents|chunks)\.(\d+)(?:\.|$)")


@dataclass(frozen=True, slots=True)
class Part:
    """Items that go in one request; their key makes its repetitions one write."""

    items: Sequence[Item]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def bodies(self) -> list[bytes]:
        """The items as JSON."""
        return [item.body for item in self.items]

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return sum(len(item.body) for item in self.items)


class Delivery:
    """A batch until all of it is stored or refused. Threads: one at a time.

    A part that is too large is halved, down to one item. Where refused items are collected, a part goes again without
    those that its refusal names, or in halves when it names none. Parts go in the order of their items, so that what
    is dealt with is a beginning of the batch.
    """

    def __init__(self, batch: Batch, kind: Kind, on_error: Refusals, pace: Pace) -> None:
        self.batch, self._kind, self._collect, self._pace = batch, kind, on_error == "collect", pace
        self._parts = [Part(batch.items)]
        self._pauses, self._refusals, self._quiet = 0, 0, True
        self.created, self.replaced, self.position = 0, 0, 0
        self.failed: list[Failed] = []
        self.error: ClientError | None = None

    @property
    def part(self) -> Part | None:
        """What to send next; None when there is nothing left to send, or no sense in it."""
        return self._parts[-1] if self._parts and self.error is None else None

    @property
    def undone(self) -> int | None:
        """The place of the first item that is not dealt with."""
        return self._parts[-1].items[0].index if self._parts else None

    def put_off(self) -> None:
        """Hear that the part has to be sent again: its time tells nothing."""
        self._quiet = False
        self._pace.put_off()

    def stored(self, answer: Counts, seconds: float) -> None:
        """Hear that the part is stored, and how long that took."""
        part = self._parts.pop()
        self.created, self.replaced = self.created + answer.created, self.replaced + answer.replaced
        self.position = answer.position
        if self._quiet and not self._refusals:
            self._pace.answered(len(part.items), part.size, seconds)
        self._pauses, self._quiet = 0, True

    def refused(self, error: ClientError) -> float:
        """Hear that the part is not stored; return how long to wait before what is next."""
        part = self._parts[-1]
        if isinstance(error, TooLarge):
            self._too_large(part, error)
        elif isinstance(error, Unavailable) and error.status in _PUT_OFF:
            return self._wait(error)
        elif self._collect and isinstance(error, Invalid | Conflict | NotFound) and self._of_items(part, error):
            self._leave_out(part, error)
        else:
            self._end(part, error)
        return 0.0

    def _too_large(self, part: Part, error: TooLarge) -> None:
        if len(part.items) > 1:
            if not self._refusals:  # once for a batch: the parts are smaller than what the pace wanted
                self._pace.too_large(len(part.items), part.size)
            self._refusals += 1
            self._replace(_halves(part.items))
        elif self._collect:
            self._fail(part.items[0], error)
            self._replace(())
        else:
            self._end(part, error)

    def _wait(self, error: Unavailable) -> float:
        self.put_off()
        wait = error.retry_after if error.retry_after is not None else _PASSING.backoff(self._pauses)
        self._pauses += 1
        if self._pauses > MOST_PAUSES or wait > LONGEST_PAUSE:
            self.error = error
        return wait

    def _of_items(self, part: Part, error: Refused) -> bool:
        """Whether the refusal is about items; without a name of one, `not found` is about the library."""
        return not isinstance(error, NotFound) or bool(self._named(part, error))

    def _leave_out(self, part: Part, error: Refused) -> None:
        named = self._named(part, error) or ({0} if len(part.items) == 1 else set())
        for place in sorted(named):
            self._fail(part.items[place], error)
        left = [item for place, item in enumerate(part.items) if place not in named]
        self._refusals += 1
        self._replace([left] if named and self._refusals <= FEW_REFUSALS else _halves(left))

    def _named(self, part: Part, error: Refused) -> set[int]:
        """Return the places in the part of the items that the refusal names."""
        said: Any = error.body.get("errors")
        found = [_PLACE.match(str(fault.get("field"))) for fault in said or () if isinstance(fault, dict)]
        places = {int(match[1]) for match in found if match} | {error.body.get(self._kind)}
        return {place for place in places if isinstance(place, int) and 0 <= place < len(part.items)}

    def _fail(self, item: Item, error: ClientError) -> None:
        bare = error.with_traceback(None)  # its frames hold the batch
        bare.__context__ = bare.__cause__ = None
        self.failed.append(Failed(item.index, item.id, bare))

    def _replace(self, groups: Sequence[Sequence[Item]]) -> None:
        self._parts.pop()
        self._parts += [Part(items) for items in reversed(groups) if items]

    def _end(self, part: Part, error: ClientError) -> None:
        named = self._named(part, error) if isinstance(error, Refused) else set()
        alone = {0} if len(part.items) == 1 and isinstance(error, Invalid | Conflict | TooLarge) else set()
        for place in sorted(named | alone):
            error.add_note(f"item {part.items[place].index}, id {part.items[place].id!r}")
        self.error = error


def _halves(items: Sequence[Item]) -> list[Sequence[Item]]:
    middle = (len(items) + 1) // 2
    return [items[:middle], items[middle:]]
