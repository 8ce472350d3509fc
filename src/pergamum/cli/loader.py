"""Rows into a library, batch by batch, in the order of the file: what is acknowledged is a beginning of the file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pergamum.cli.bookmark import Progress
from pergamum.cli.tables import BadRow, Fields, Row
from pergamum.client import Library, Refused
from pergamum.client.batching import batches
from pergamum.client.drafts import NewDocument, OnError

MOST_BYTES: Final = 8 << 20


class RowRefused(Exception):
    """A row is wrong, and wrong rows are not to be skipped. Nothing of its batch is kept."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(f"row {row}: {reason}")
        self.row, self.reason = row, reason


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The progress after a batch, and how far the file is read in its own unit."""

    progress: Progress
    read: int


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    body: bytes | None  # None: skipped
    read: int

    @property
    def size(self) -> int:
        return len(self.body or b"")


@dataclass(frozen=True, slots=True)
class Loader:
    """Sends documents into one library.

    `document(cells, row)` makes a document of a row or raises `BadRow`; `skipped(row, reason)` hears of those skipped.
    """

    library: Library
    document: Callable[[Fields, int], NewDocument]
    on_error: OnError
    skipped: Callable[[int, str], None]

    def load(self, rows: Iterable[Row], start: Progress, batch_size: int) -> Iterator[Acknowledged]:
        """Send the rows, holding one batch in memory; yield after each batch that the server has acknowledged.

        Raises `RowRefused`, `UnreadableFile` and what the client raises.
        """
        progress = start
        for batch in batches(map(self._item, rows), batch_size, MOST_BYTES, size=lambda item: item.size):
            stored, skipped = self._send([item for item in batch if item.body is not None])
            skipped += sum(item.body is None for item in batch)
            progress = Progress(batch[-1].number, progress.stored + stored, progress.skipped + skipped)
            yield Acknowledged(progress, batch[-1].read)

    def _item(self, row: Row) -> _Item:
        try:
            return _Item(row.number, self._body(row), row.read)
        except (BadRow, ValueError) as error:  # ValueError: a vector that is none, a number that JSON cannot carry
            if self.on_error == "abort":
                raise RowRefused(row.number, str(error)) from error
            self.skipped(row.number, str(error))
            return _Item(row.number, None, row.read)

    def _body(self, row: Row) -> bytes:
        if isinstance(row.fields, BadRow):
            raise row.fields
        return self.library.documents.encoded(self.document(row.fields, row.number))

    def _send(self, items: list[_Item]) -> tuple[int, int]:
        """Return how many were stored and how many refused."""
        bodies = [item.body for item in items if item.body is not None]
        if not bodies:
            return 0, 0
        try:
            report = self.library.documents.import_batch(bodies, on_error=self.on_error)
        except Refused as error:
            raise _refused(error, items) from error
        for fault in report.errors:
            self.skipped(items[fault.line - 1].number, fault.detail)
        return report.accepted, report.failed


def _refused(error: Refused, items: list[_Item]) -> RowRefused | Refused:
    """Return the error with the row of the file in place of the line of the batch, where it names one."""
    line: Any = error.body.get("line")
    if isinstance(line, int) and 0 < line <= len(items):
        return RowRefused(items[line - 1].number, error.detail)
    return error
