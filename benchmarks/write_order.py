"""Three orders of a durable write, by the size of its group: where do the vectors go, and how many flushes is that?

    python -m benchmarks.write_order [folder on the disk to measure] [sizes of groups]

- row: the vector inside its row, one flush. What the others are compared with; searches could not map it.
- file: the vectors in their own file, flushed, then COMMIT: two flushes.
- both: the vectors in their file, not flushed, and once more in the transaction: one flush, and twice the bytes. The
  file is flushed and the copies deleted at every PENDING_ROWS rows; that time counts.

Rows of 500 characters and 384 float32; repeats in which the three take turns every few groups. Prints rows a second
and the ratio to `row` within a repeat: median, least and greatest. docs/decisions/0011-small-groups-flush-once.md.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import apsw
import numpy as np

from pergamum.storage.vectors import VectorFile

DIMENSION = 384
ROWS = {1: 2_200, 10: 6_000, 40: 16_000, 100: 20_000, 200: 40_000, 400: 40_000, 1_000: 60_000}
REPEATS = 5
BLOCK_GROUPS = 20
BLOCK_ROWS = 4_000
LOG_PAGES = (16 << 20) // 8_192
PENDING_ROWS = 1_024
TEXT = "x" * 500
VECTORS = np.random.default_rng(0).standard_normal((1_000, DIMENSION)).astype(np.float32)
CHUNKS = "CREATE TABLE chunks (slot INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, crc INTEGER, vector BLOB) STRICT"
PENDING = "CREATE TABLE pending (slot INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT"
Row: TypeAlias = tuple[int, str, str, int, bytes | None]


class Order:
    """One order of writing, on a database and a vector file of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.connection = opened(folder / "rows.db")
        self.file = VectorFile(folder / "vectors.f32")
        self.file.create(DIMENSION)
        self.pending = self.log_pages = 0
        self.connection.set_wal_hook(self.note_log)

    def write(self, first: int, count: int) -> None:
        raise NotImplementedError

    def transaction(self, rows: Sequence[Row], pending: Sequence[tuple[int, bytes]] = ()) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", rows)
        self.connection.executemany("INSERT INTO pending VALUES (?, ?)", pending)
        self.connection.execute("COMMIT")

    def note_log(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self.log_pages = pages
        return apsw.SQLITE_OK

    def look_after(self) -> None:
        if self.log_pages >= LOG_PAGES:
            self.connection.wal_checkpoint()


class InRow(Order):
    def write(self, first: int, count: int) -> None:
        self.transaction(rows(first, count, [VECTORS[at].tobytes() for at in range(count)]))


class InFile(Order):
    def write(self, first: int, count: int) -> None:
        self.file.write(first, VECTORS[:count])
        self.file.flush()
        self.transaction(rows(first, count, [None] * count))


class InBoth(Order):
    def write(self, first: int, count: int) -> None:
        self.file.write(first, VECTORS[:count])
        pending = [(first + at, VECTORS[at].tobytes()) for at in range(count)]
        self.transaction(rows(first, count, [None] * count), pending)
        self.pending += count
        if self.pending >= PENDING_ROWS:
            self.file.flush()
            self.connection.execute("DELETE FROM pending")
            self.pending = 0


ORDERS: dict[str, Callable[[Path], Order]] = {"row": InRow, "file": InFile, "both": InBoth}


@dataclass(frozen=True, slots=True)
class Repeat:
    """Rows a second of each order, by its name."""

    rates: dict[str, float]

    def ratio(self, name: str) -> float:
        return self.rates[name] / self.rates["row"]


def opened(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    for name, value in (("page_size", 8_192), ("journal_mode", "wal"), ("synchronous", "full")):
        connection.pragma(name, value)
    connection.pragma("wal_autocheckpoint", 0)
    connection.execute(CHUNKS)
    connection.execute(PENDING)
    return connection


def rows(first: int, count: int, vectors: Sequence[bytes | None]) -> list[Row]:
    return [(slot, f"id{slot}", TEXT, 1, vectors[slot - first]) for slot in range(first, first + count)]


def duel(group: int, folder: Path) -> Repeat:
    """Write the same rows in every order, in blocks that take turns so that all meet the same disk."""
    seconds = dict.fromkeys(ORDERS, 0.0)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        orders = {name: make(Path(fresh, name)) for name, make in ORDERS.items()}
        block = group * min(BLOCK_GROUPS, BLOCK_ROWS // group)
        for first in range(0, ROWS[group], block):
            for name, order in orders.items():
                seconds[name] += timed_block(order, range(first, first + block, group))
        for order in orders.values():
            order.connection.close()
    return Repeat({name: ROWS[group] / spent for name, spent in seconds.items()})


def timed_block(order: Order, slots: range) -> float:
    """Return the seconds of some groups; moving the log into the database counts."""
    start = time.perf_counter()
    for slot in slots:
        order.write(slot, slots.step)
        order.look_after()
    return time.perf_counter() - start


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(f"{'group':>6} {'row: rows/s':>24} {'file':>24} {'both':>24} {'file / row':>18} {'both / row':>18}")
    for group in [int(size) for size in sys.argv[2:]] or ROWS:
        repeats = [duel(group, folder) for _ in range(REPEATS)]
        rates = " ".join(f"{spread([one.rates[name] for one in repeats], ',.0f'):>24}" for name in ORDERS)
        ratios = " ".join(f"{spread([one.ratio(name) for one in repeats], '.2f'):>18}" for name in ("file", "both"))
        print(f"{group:>6} {rates} {ratios}", flush=True)


def spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
