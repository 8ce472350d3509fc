"""What two flushes a group cost: vectors in their own file (two flushes) against vectors in the row (one flush).

    python -m benchmarks.write_order [folder on the disk to measure]

Rows of 500 characters and 384 float32, groups of 1, 100 and 1,000; five repeats in which the two take turns every 20
groups. Prints rows a second and the ratio within a repeat: median, least and greatest.
docs/decisions/0002-two-flushes-a-group.md says what follows.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import apsw
import numpy as np

from pergamum.storage.vectors import VectorFile

DIMENSION = 384
ROWS = {1: 2_000, 100: 40_000, 1_000: 60_000}
REPEATS = 5
BLOCK = 20
CHECKPOINT_ROWS = 20_000
TEXT = "x" * 500
VECTORS = np.random.default_rng(0).standard_normal((1_000, DIMENSION)).astype(np.float32)
Write: TypeAlias = Callable[[int, int], None]
WITHOUT_VECTOR = "CREATE TABLE chunks (slot INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, crc INTEGER) STRICT"
WITH_VECTOR = "CREATE TABLE chunks (slot INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, vector BLOB) STRICT"


def opened(path: Path, table: str) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    for name, value in (("page_size", 8_192), ("journal_mode", "wal"), ("synchronous", "full")):
        connection.pragma(name, value)
    connection.pragma("wal_autocheckpoint", 0)
    connection.execute(table)
    return connection


def two_flushes(folder: Path) -> tuple[apsw.Connection, Write]:
    connection = opened(folder / "rows.db", WITHOUT_VECTOR)
    file = VectorFile(folder / "vectors.f32")
    file.create(DIMENSION)

    def write(first: int, count: int) -> None:
        file.write(first, VECTORS[:count])
        file.flush()
        rows = [(slot, f"id{slot}", TEXT, 1) for slot in range(first, first + count)]
        insert(connection, rows)

    return connection, write


def one_flush(folder: Path) -> tuple[apsw.Connection, Write]:
    connection = opened(folder / "rows.db", WITH_VECTOR)

    def write(first: int, count: int) -> None:
        rows = [(first + at, f"id{first + at}", TEXT, VECTORS[at].tobytes()) for at in range(count)]
        insert(connection, rows)

    return connection, write


def insert(connection: apsw.Connection, rows: Sequence[tuple[int, str, str, int | bytes]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")


def duel(group: int, folder: Path) -> tuple[float, float]:
    """Return rows a second with one flush and with two, in blocks that take turns so that both meet the same disk."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        places = [Path(fresh) / name for name in ("one", "two")]
        for place in places:
            place.mkdir()
        orders = (one_flush(places[0]), two_flushes(places[1]))
        seconds = [0.0, 0.0]
        for first in range(0, ROWS[group], BLOCK * group):
            for at, (connection, write) in enumerate(orders):
                seconds[at] += timed_block(connection, write, first, group)
        for connection, _ in orders:
            connection.close()
    return ROWS[group] / seconds[0], ROWS[group] / seconds[1]


def timed_block(connection: apsw.Connection, write: Write, first: int, group: int) -> float:
    """Return the seconds of BLOCK groups; moving the log into the database counts."""
    start = time.perf_counter()
    for slot in range(first, first + BLOCK * group, group):
        write(slot, group)
    if (first + BLOCK * group) % CHECKPOINT_ROWS == 0:
        connection.wal_checkpoint()
    return time.perf_counter() - start


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(f"{'group':>6} {'one flush: median (min-max) rows/s':>40} {'two flushes':>32} {'ratio (min-max)':>22}")
    for group in ROWS:
        one, two = zip(*(duel(group, folder) for _ in range(REPEATS)), strict=True)
        ratios = [after / before for before, after in zip(one, two, strict=True)]
        print(f"{group:>6} {spread(one, ',.0f'):>40} {spread(two, ',.0f'):>32} {spread(ratios, '.2f'):>22}")


def spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
