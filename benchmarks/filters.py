"""What filters cost over many chunks: evaluated first, answered from the cache, beside a steady writer, from a file.

    python -m benchmarks.filters [--chunks 1000000] [--repeats 20]

The columns are made directly, without rows: chunks with a number, a time, a tag of 50, an id of 100,000 and a list,
documents of 20 chunks each with a year and a title. Times are medians with their range.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import polars as pl

from benchmarks.harness import environment, spread, table
from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import DOCUMENT_COLUMNS, Column, FieldType, Level, ScalarType
from pergamum.domain.filters import And, CheckedFilter, Op, Test, Value
from pergamum.domain.json import JsonObject
from pergamum.domain.library import Library
from pergamum.domain.schema import MetadataField, MetadataSchema
from pergamum.engine.columns.building import ChunkRow, DocumentRow
from pergamum.engine.columns.columns import Columns
from pergamum.engine.columns.files import load_columns, save_columns
from pergamum.engine.columns.following import Changed
from pergamum.engine.columns.names import DOCUMENT, LIVE
from pergamum.engine.columns.run import Run
from pergamum.engine.columns.table import Table
from pergamum.engine.saved_columns import CHUNKS, DOCUMENTS, SavedColumns
from pergamum.index.mask import Flags, SlotMask
from pergamum.storage.base import LibraryState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MICROS = 1_767_225_600_000_000
PER_DOCUMENT = 20
FIELDS = {
    "number": FieldType(ScalarType.INTEGER),
    "score": FieldType(ScalarType.FLOAT),
    "seen": FieldType(ScalarType.DATETIME),
    "tag": FieldType(ScalarType.STRING),
    "user": FieldType(ScalarType.STRING),
    "labels": FieldType(ScalarType.STRING, many=True),
}
SCHEMA = MetadataSchema(
    chunks={name: MetadataField(name, kind) for name, kind in FIELDS.items()},
    documents={"year": MetadataField("year", FieldType(ScalarType.INTEGER))},
)


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    columns = made(options.chunks)
    print(f"{options.chunks:,} chunks\n")
    asked = [[name, *map(_micros, _first_and_cached(columns, filters, options.repeats))] for name, filters in _asked()]
    for head, rows in (
        (["filter, microseconds", "evaluated", "of processor time", "cached", "mask of a search, cached"], asked),
        (["beside a writer, microseconds", "evaluated again"], _beside_a_writer(columns, options.repeats)),
        (["chunks", "publishing one chunk and its document, microseconds"], _publishing(options)),
        (["field", "bytes a chunk"], _bytes(columns)),
        (["file", ""], _file(columns, options.repeats)),
    ):
        print(table(head, rows), end="\n\n")


def made(chunks: int) -> Columns:
    """Return columns of so many chunks; one in ten has no number."""
    rng = np.random.default_rng(0)
    numbers = pl.Series(rng.integers(0, 100, chunks))
    documents = -(-chunks // PER_DOCUMENT)
    frame = pl.DataFrame(
        {
            DOCUMENT: pl.Series(np.arange(chunks) // PER_DOCUMENT + 1, dtype=pl.UInt32),
            "metadata.number": pl.select(pl.when(pl.Series(rng.random(chunks) > 0.1)).then(numbers)).to_series(),
            "metadata.score": rng.random(chunks),
            "metadata.seen": MICROS + rng.integers(0, 10**13, chunks),
            "metadata.tag": pl.Series([f"tag {at}" for at in range(50)]).gather(rng.integers(0, 50, chunks)),
            "metadata.user": pl.Series([f"user-{at:015}" for at in range(100_000)]).gather(
                rng.integers(0, 100_000, chunks)
            ),
            "metadata.labels": pl.Series([[f"l{at % 7}", f"l{at % 5}"] for at in range(35)]).gather(
                rng.integers(0, 35, chunks)
            ),
        }
    )
    owners = pl.DataFrame(
        {
            LIVE: pl.Series([False] + [True] * documents),
            "metadata.year": pl.Series(rng.integers(1990, 2027, documents + 1)),
            "title": pl.Series([f"On the moon, part {at}" for at in range(documents + 1)]),
        }
    )
    return Columns(SCHEMA.era, Table((Run(frame, 0),), chunks), Table((Run(owners, 0),), documents + 1))


def _asked() -> list[tuple[str, Callable[[int], CheckedFilter]]]:
    """Return filters by name, each as one of many like it: asked for the first time, none is known."""
    users = [f"user-{at:015}" for at in range(20_000)]
    return [
        ("number > x", lambda n: _test("number", Op.GT, 30 + n)),
        ("score > x", lambda n: _test("score", Op.GT, 0.3 + n / 1e3)),
        ("seen between x and y", lambda n: _test("seen", Op.BETWEEN, (NOW + timedelta(n), NOW + timedelta(n + 30)))),
        ("tag = x (50 tags)", lambda n: _test("tag", Op.EQ, f"tag {n}")),
        ("user = x (100,000 users)", lambda n: _test("user", Op.EQ, users[n])),
        ("user in 10,000", lambda n: _test("user", Op.IN, tuple(users[n : n + 10_000]))),
        ("labels any of 2", lambda n: _test("labels", Op.ANY_OF, (f"l{n % 7}", f"other {n}"))),
        ("document.year >= x", lambda n: _year(1990 + n)),
        ("title matches x (words made before)", _title),
        (
            "number > x and tag = y and document.year >= z",
            lambda n: And((_test("number", Op.GT, n), _test("tag", Op.EQ, f"tag {n + 20}"), _year(2025 - n))),
        ),
    ]


def _test(name: str, op: Op, value: Value) -> Test:
    return Test(Column(Level.CHUNK, name, FIELDS[name], metadata=True), op, value)


def _year(year: int) -> Test:
    return Test(Column(Level.DOCUMENT, "year", FieldType(ScalarType.INTEGER), metadata=True), Op.GTE, year)


def _title(part: int) -> Test:
    return Test(DOCUMENT_COLUMNS["title"], Op.MATCHES, f'moon "part {part}"')


def _first_and_cached(
    columns: Columns, filter_of: Callable[[int], CheckedFilter], repeats: int
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return seconds of filters asked for the first time, and of asking again for trees that are equal, not the same.

    The processor time is that of all threads: on a busy machine it says more.
    """
    live = SlotMask()
    evaluated, worked, cached, masked = [], [], [], []
    columns.evaluate(filter_of(repeats), Level.CHUNK, _no_rows)
    for turn in range(repeats):
        first, again, mask = filter_of(turn), filter_of(turn), filter_of(turn)
        before = time.process_time()
        evaluated.append(_seconds(partial(columns.evaluate, first, Level.CHUNK, _no_rows)))
        worked.append(time.process_time() - before)
        cached.append(_seconds(partial(columns.evaluate, again, Level.CHUNK, _no_rows)))
        columns.allowed(first, live, _no_rows)
        masked.append(_seconds(partial(columns.allowed, mask, live, _no_rows)))
    return evaluated, worked, cached, masked


def _beside_a_writer(columns: Columns, repeats: int) -> list[list[str]]:
    """Return what a filter costs that was asked for before each of many writes, and again after it."""
    asked = And((_test("number", Op.GT, 30), _test("tag", Op.EQ, "tag 7")))
    one = _test("number", Op.GT, 30)
    rows = []
    for name, checked in (("number > x", one), ("number > x and tag = y", asked)):
        now, seconds = columns, []
        now.evaluate(checked, Level.CHUNK, _no_rows)
        for turn in range(repeats * 5):
            now = _written(now, turn)
            seconds.append(_seconds(partial(now.evaluate, checked, Level.CHUNK, _no_rows)))
        rows.append([f"{name}, after each write of a chunk", _micros(seconds)])
    return rows


def _publishing(options: argparse.Namespace) -> list[list[str]]:
    rows = []
    for chunks in (10_000, options.chunks):
        now, seconds = made(chunks), []
        for turn in range(options.repeats * 10):
            before = time.perf_counter()
            now = _written(now, turn)
            seconds.append(time.perf_counter() - before)
        rows.append([f"{chunks:,}", _micros(seconds)])
    return rows


def _written(columns: Columns, turn: int) -> Columns:
    """Return the columns after one chunk was written again, and so its document."""
    slot = turn * 7_919 % columns.chunks.count
    metadata: JsonObject = {
        "number": 31,
        "score": 0.5,
        "seen": "2026-01-01T00:00:00Z",
        "tag": "tag 7",
        "user": "u",
        "labels": ["a"],
    }
    chunk = Chunk(
        id="c", document_id="d", text="", chunk_index=0, metadata=metadata, version=2, created_at=NOW, updated_at=NOW
    )
    document = Document(id="d", title="A title", metadata={"year": 2026}, created_at=NOW, updated_at=NOW)
    owner = slot // PER_DOCUMENT + 1
    changed = Changed({slot: ChunkRow(owner, chunk, SCHEMA)}, {owner: DocumentRow(document, SCHEMA)})
    return columns.with_rows(changed, _state(columns.chunks.count))


def _state(slots: int) -> LibraryState:
    library = Library(id=UUID(int=0), name="l", metadata_schema=SCHEMA, created_at=NOW, updated_at=NOW)
    return LibraryState(library, next_slot=slots)


def _bytes(columns: Columns) -> list[list[str]]:
    run = columns.chunks.runs[0]
    return [[series.name, f"{series.estimated_size() / run.size:.1f}"] for series in run.frame.get_columns()]


def _file(columns: Columns, repeats: int) -> list[list[str]]:
    """Return what saving and loading cost, the page cache warm, and how much memory of its own the process gains."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        saving = [_seconds(lambda: save_columns(columns, folder)) for _ in range(3)]
        size = sum(file.stat().st_size for file in folder.iterdir())
        files = {CHUNKS: [0, 0], DOCUMENTS: [0, 0]}
        saved = SavedColumns(folder, 1, SCHEMA.era, columns.chunks.count, columns.documents.count, files)
        before = _private_bytes()
        loaded = load_columns(saved)
        gained = _private_bytes() - before
        loading = [_seconds(lambda: load_columns(saved)) for _ in range(repeats)]
        del loaded
    return [
        [f"save {size / 1e6:,.0f} MB, milliseconds", spread([each * 1e3 for each in saving], 0)],
        ["load, milliseconds", spread([each * 1e3 for each in loading], 0)],
        ["private memory gained by loading, MB (little if it were mapped)", f"{gained / 1e6:,.0f}"],
    ]


def _private_bytes() -> int:
    """Return the bytes of memory that is no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1_024
    return 0


def _no_rows(_test: Test) -> Flags:
    raise AssertionError("none of these filters asks the rows")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _micros(seconds: Sequence[float]) -> str:
    return spread([each * 1e6 for each in seconds], 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
