"""Tables as rows: whatever holds them, the same dictionaries come out."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, islice
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.client import Library, Pergamum
from pergamum.client.call import json_body
from pergamum.client.cells import cell
from pergamum.client.table_blocks import ROWS
from pergamum.client.tables import Noun, Rows, rows_of

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
COLUMNS: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "text": ["a", "b", None],
    "year": [1687, None, 1915],
    "at": [AT, AT, None],
    "tags": [["x"], [], ["y", "z"]],
}
EXPECTED: list[dict[str, Any]] = [
    {"id": "1", "text": "a", "tags": ["x"], "metadata": {"year": 1687, "at": AT.isoformat()}},
    {"id": "2", "text": "b", "tags": [], "metadata": {"at": AT.isoformat()}},
    {"id": "3", "tags": ["y", "z"], "metadata": {"year": 1915}},
]


def rows(source: object, noun: Noun = "documents") -> list[dict[str, Any]]:
    made = (plain(row) for row in rows_of(source, noun))  # type: ignore[arg-type]  # anything is tried
    return [row for row in made if isinstance(row, dict)]


def plain(value: object) -> object:
    """Return the row with its vectors as lists, so that it can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: plain(deep) for name, deep in value.items()}
    return [plain(deep) for deep in value] if isinstance(value, list) else value


def arrow() -> pa.Table:
    return pa.table(COLUMNS)


def pandas() -> pd.DataFrame:
    frame = pd.DataFrame(COLUMNS)
    return frame.astype({"year": "Int64"})


SOURCES: dict[str, Callable[[], Any]] = {
    "dictionaries": lambda: EXPECTED,
    "columns": lambda: COLUMNS,
    "pandas": pandas,
    "pandas with an index": lambda: pandas().set_index("id"),
    "pandas of Arrow": lambda: pandas().convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "an Arrow table": arrow,
    "an Arrow batch": lambda: arrow().to_batches()[0],
    "an Arrow reader": lambda: arrow().to_reader(max_chunksize=1),
    "frames, one after the other": lambda: (pl.DataFrame(COLUMNS)[place : place + 1] for place in range(3)),
    "frames and dictionaries": lambda: [pl.DataFrame(COLUMNS)[:2], EXPECTED[2]],
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_rows(source: str) -> None:
    made = rows(SOURCES[source]())

    assert [{**row, "metadata": dict(sorted(row["metadata"].items()))} for row in made] == [
        {**row, "metadata": dict(sorted(row["metadata"].items()))} for row in EXPECTED
    ]


VECTOR_COLUMNS: dict[str, Callable[[], Any]] = {
    "a matrix": lambda: {"vector": VECTORS},
    "lists": lambda: {"embedding": VECTORS.tolist()},
    "pandas": lambda: pd.DataFrame({"vector": list(VECTORS)}),
    "polars arrays": lambda: pl.DataFrame({"vector": VECTORS}),
    "polars lists": lambda: pl.DataFrame({"embedding": VECTORS.tolist()}),
    "Arrow fixed": lambda: pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 2)}),
    "Arrow sliced": lambda: pa.table(
        {"vector": pa.FixedSizeListArray.from_arrays(pa.array(np.vstack([[[9, 9]], VECTORS]).reshape(-1)), 2)}
    ).slice(1),
    "Arrow lists": lambda: pa.table({"embedding": VECTORS.tolist()}),
    "Arrow sliced lists": lambda: pa.table({"embedding": [[9.0, 9.0], *VECTORS.tolist()]}).slice(1),
    "Arrow large lists": lambda: pa.table({"vector": pa.array(VECTORS.tolist(), pa.large_list(pa.float32()))}),
    "a structured array": lambda: np.array([(row,) for row in VECTORS], dtype=[("vector", "f4", (2,))]),
}


@pytest.mark.parametrize("source", VECTOR_COLUMNS)
def test_vectors_come_out_of_every_source(source: str) -> None:
    made = rows(VECTOR_COLUMNS[source](), "chunks")

    assert [row["embedding"] for row in made] == VECTORS.tolist()


def test_a_vector_makes_the_one_chunk_of_a_document() -> None:
    made = rows({"id": ["a", "b"], "text": ["one", "two"], "vector": [[1.0, 2.0], None]})

    assert made == [{"id": "a", "chunks": [{"text": "one", "embedding": [1.0, 2.0]}]}, {"id": "b", "text": "two"}]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.large_list(pa.float64())])
def test_vectors_of_arrow_may_be_missing(kind: pa.DataType) -> None:
    table = pa.table({"vector": pa.array([None, [1.0, 2.0], None, [3.0, 4.0]], kind)})

    assert [row.get("embedding") for row in rows(table, "chunks")] == [None, [1.0, 2.0], None, [3.0, 4.0]]


def test_fields_of_chunks_are_other_ones_than_those_of_documents() -> None:
    columns = {"document_id": [7], "page_number": [3], "title": ["t"]}

    assert rows(columns, "chunks") == [{"document_id": "7", "page_number": 3, "metadata": {"title": "t"}}]
    assert rows(columns) == [{"title": "t", "metadata": {"document_id": 7, "page_number": 3}}]


def test_metadata_may_be_a_column_of_its_own_and_have_any_name() -> None:
    columns = {"metadata": [{"a": 1, "b": None}, None], "metadata.text": ["odd", None], "c": [2, 3]}

    assert rows(columns) == [{"metadata": {"a": 1, "text": "odd", "c": 2}}, {"metadata": {"c": 3}}]


def test_chunks_of_a_column_keep_their_vectors() -> None:
    chunks = [{"text": "a", "embedding": VECTORS[1], "page_number": np.int32(2)}, {"text": "b", "embedding": None}]

    made = rows({"chunks": [chunks, None]})

    assert made == [{"chunks": [{"text": "a", "embedding": [2.0, 3.0], "page_number": 2}, {"text": "b"}]}, {}]


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.float32("nan"), np.datetime64("NaT"), pd.NaT, pd.NA, Decimal("NaN")]
)
def test_whatever_is_missing_is_left_out(missing: object) -> None:
    assert rows({"title": [missing], "year": [missing], "vector": [missing]}) == [{}]


ID = uuid.UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Decimal("1.5"), 1.5),
        (ID, str(ID)),
        (AT, "2026-11-21T12:00:00+00:00"),
        (AT.date(), "2026-11-21"),
        (pd.Timestamp(AT), "2026-11-21T12:00:00+00:00"),
        ((1, np.array([2])), [1, [2]]),
        ({"a": np.int8(1), "b": float("nan")}, {"a": 1}),
    ],
)
def test_values_are_written_plainly(value: object, written: object) -> None:
    assert rows({"field": [value]}) == [{"metadata": {"field": written}}]
    assert cell(value) == written


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (datetime(2026, 1, 1), "does not say its zone"),  # noqa: DTZ001  # that is the point
        (np.datetime64("2026-01-01"), "[+]|zone|date"),
        (float("inf"), "infinite"),
        (b"raw", "bytes"),
        (np.timedelta64(1), "timedelta64"),
        ({1, 2}, "set"),
        (1j, "complex"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_row_and_column(value: object, reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"row 1, column 'metadata.odd': .*({reason})"):
        rows({"odd": ["fine", value]})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("text", "received a str"),
        (7, "received a int"),
        (VECTORS, "received a ndarray"),
        ({"id": "1", "text": "one row"}, "no sequence"),
        ([{"id": "1"}, "text"], "at place 1"),
        ({"id": ["a"], "text": []}, "differ in length"),
        ({"vector": [[1]], "embedding": [[1]]}, "has a column already"),
        ({"year": [1], "metadata.year": [1]}, "has a column already"),
        ({"year": [1], "metadata": [{"year": 2}]}, "'year', which has a column of its own"),
        ({"metadata": ["{}"]}, "metadata is a dictionary"),
        ({"chunks": [[]], "vector": [[1.0]]}, "not both"),
        ({"chunks": ["x"]}, "chunks are a list"),
        ({"chunks": [["x"]]}, "a chunk is a dictionary"),
        ({"vector": [3.0]}, "a vector is a list"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns 'a'"),
        (pd.DataFrame([[1, 2]]), "a column is a string"),
    ],
)
def test_what_is_no_table_is_refused(source: object, reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        rows(source)


def test_rows_are_read_as_they_are_asked_for() -> None:
    taken = count()

    def endless() -> Iterator[dict[str, int]]:
        while True:
            yield {"id": next(taken)}

    assert [row["id"] for row in islice(rows_of(endless(), "documents"), 3)] == [0, 1, 2]
    assert next(taken) == 3


def test_a_reader_is_read_batch_by_batch() -> None:
    given_out: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(100):
            given_out.append(number)
            yield pa.record_batch({"id": [str(number)]})

    reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.string()}), batches())

    assert [row["id"] for row in islice(rows_of(reader, "documents"), 3)] == ["0", "1", "2"]
    assert len(given_out) < 10


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_tables_of_many_blocks_are_whole_and_in_order(make: Callable[[dict[str, list[int]]], Rows]) -> None:
    many = 2 * ROWS + 1

    assert [row["id"] for row in rows_of(make({"id": list(range(many))}), "documents")] == list(map(str, range(many)))


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"title": st.text(), "year": st.integers(-(2**62), 2**62), "ok": st.booleans()}
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_frame_of_rows_gives_those_rows(given_rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(given_rows, schema={"title": pl.String, "year": pl.Int64, "ok": pl.Boolean})

    made = [{**row.pop("metadata", {}), **row} for row in rows(frame)]

    assert made == given_rows


def test_a_table_is_stored_and_comes_back(client: Pergamum, vectors: Library) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "text": ["one", "two"], "vector": list(VECTORS[:2]), "year": [1.0, np.nan]})

    vectors.documents.add_many(frame)

    back = vectors.chunks.list(embedding=True).to_pandas().sort_values("document_id")
    assert back["text"].tolist() == ["one", "two"]
    assert np.array_equal(np.stack(back["embedding"].tolist()), VECTORS[:2])
    assert vectors.documents.get("a").metadata == {"year": 1.0}
    assert vectors.documents.get("b").metadata == {}


def test_single_calls_take_the_values_of_numpy_too() -> None:
    body = json_body({"year": np.int64(1687), "at": AT, "id": ID})

    assert body == f'{{"year":1687,"at":"{AT.isoformat()}","id":"{ID}"}}'.encode()


def test_arrow_without_pyarrow_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    table = arrow()
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    with pytest.raises(ImportError, match=r'pip install "pergamum\[frames\]"'):
        rows(table)
