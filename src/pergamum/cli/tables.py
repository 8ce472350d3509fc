"""Files of rows: JSON lines (plain or gzip), CSV and Parquet, read from any row on, never held in memory whole."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import polars as pl

Fields: TypeAlias = Mapping[str, Any]
"""The cells of a row by column, as JSON values."""

LONGEST_LINE: Final = 64 << 20
ROWS_AT_ONCE: Final = 5_000
LEADING_ZERO: Final = r"^[+-]?0\d"


class UnreadableFile(Exception):
    """The file is not of the form its name says, or damaged."""


class BadRow(Exception):
    """A row that cannot be taken; the others can."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number from 1 (that of its line in JSON lines), its cells or what is wrong with it.

    `read` is how far the file is read, in the unit of the table's `total`.
    """

    number: int
    fields: Fields | BadRow
    read: int


class Table(Protocol):
    """A file of rows."""

    @property
    def total(self) -> int:
        """How much there is to read, in a unit of the table's own."""

    def rows(self, after: int) -> Iterator[Row]:
        """Return the rows whose number is above `after`. Raises `UnreadableFile`."""


def open_table(path: Path, text_columns: Iterable[str]) -> Table:
    """Return the file as a table, by the end of its name. Raises `UnreadableFile`.

    `text_columns` are those that a CSV file keeps as text even where they look like numbers.
    """
    name = path.name.lower()
    if name.endswith((".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")):
        return JsonLines(path)
    if name.endswith(".csv"):
        return Frame(lambda: _scan_csv(path, frozenset(text_columns)))
    if name.endswith(".parquet"):
        return Frame(lambda: _scan_parquet(path))
    raise UnreadableFile(f"{path} is neither .jsonl, .jsonl.gz, .csv nor .parquet")


class JsonLines:
    """One JSON object a line; empty lines are passed over. The total is in bytes of the file as it is on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.total = path.stat().st_size

    def rows(self, after: int) -> Iterator[Row]:
        """Return the lines after line `after`."""
        with self._path.open("rb") as raw:
            for number, line in enumerate(self._lines(raw), start=1):
                if number > after and not line.isspace():
                    yield Row(number, _object(line), raw.tell())

    def _lines(self, raw: BinaryIO) -> Iterator[bytes]:
        """Return the lines, unpacked where the file begins as gzip does. Raises `UnreadableFile`."""
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if packed else raw
        try:
            while line := stream.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    raise UnreadableFile(f"{self._path}: a line is longer than {LONGEST_LINE} bytes")
                yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFile(f"{self._path}: {error}") from error


def _object(line: bytes) -> Fields | BadRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadRow(f"is not JSON: {error}")
    return value if isinstance(value, dict) else BadRow("is not a JSON object")


class Frame:
    """A table that polars reads in slices. The total is in rows."""

    def __init__(self, scan: Callable[[], "pl.LazyFrame"]) -> None:
        import polars as pl

        self._failure: type[Exception] = pl.exceptions.PolarsError
        try:
            self._frame = scan()
            self.total = int(self._frame.select(pl.len()).collect().item())
        except (self._failure, OSError) as error:
            raise UnreadableFile(str(error)) from error

    def rows(self, after: int) -> Iterator[Row]:
        """Return the rows after row `after`."""
        number = after
        try:
            for batch in self._frame.slice(after).collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True):
                for cells in batch.iter_rows(named=True):
                    number += 1
                    yield Row(number, {name: _json_value(cell) for name, cell in cells.items()}, number)
        except self._failure as error:
            raise UnreadableFile(f"after row {number}: {error}") from error


def _scan_parquet(path: Path) -> "pl.LazyFrame":
    import polars as pl

    return pl.scan_parquet(path)


def _scan_csv(path: Path, text_columns: frozenset[str]) -> "pl.LazyFrame":
    """Return the file with numbers recognised, except in text columns and where a leading zero would be lost."""
    import polars as pl

    as_text = pl.scan_csv(path, infer_schema=False)
    names = as_text.collect_schema().names()
    zeros = as_text.select(pl.col(name).str.contains(LEADING_ZERO).any() for name in names).collect()
    kept = [name for name in names if name in text_columns or zeros[name].item()]
    overrides = dict.fromkeys(kept, pl.String)
    return pl.scan_csv(path, infer_schema_length=ROWS_AT_ONCE, schema_overrides=overrides)


def _json_value(cell: object) -> object:
    """Return a cell as JSON can carry it; what is no number becomes null."""
    if isinstance(cell, float):
        return cell if cell == cell else None  # noqa: PLR0124 - NaN is the number that differs from itself
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, list):
        return [_json_value(item) for item in cell]
    if isinstance(cell, dict):
        return {name: _json_value(item) for name, item in cell.items()}
    return cell if isinstance(cell, str | int | None) else str(cell)
