"""Answers as tables of three libraries, which agree, and as notebooks and terminals show them."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pergamum.client import F, Library, Pergamum
from pergamum.client.drafts import Facet
from pergamum.client.frames import Column, Frame, Kind, kind_of
from pergamum.client.layouts import HITS
from pergamum.client.results import Facets, IndexStatus, SearchResult
from pergamum.wire.common import to_base64
from pergamum.wire.index import RecallPointOut
from pergamum.wire.search import HitOut, SearchOut
from tests.support.results import WHOLE, hit, result

AT = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
VECTOR = np.array([1.5, -2.0], np.float32)


def test_a_result_is_its_hits() -> None:
    found = result({"text": "a"}, {"text": "b"}, {"text": "c"})

    assert [one.text for one in found] == ["a", "b", "c"]
    assert (len(found), found[0].text, [one.text for one in found[1:]]) == (3, "a", ["b", "c"])
    assert not result()


def test_a_grouped_result_is_the_hits_of_its_groups_in_order() -> None:
    groups = [{"document_id": "d0", "hits": [hit(0), hit(1)]}, {"document_id": "d2", "hits": [hit(2)]}]
    found = result(groups=groups)

    assert [one.chunk_id for one in found] == ["c0", "c1", "c2"]
    assert found.to_polars()["chunk_id"].to_list() == ["c0", "c1", "c2"]
    assert "3 hits in 2 groups" in repr(found)


def test_a_result_reads_what_the_server_writes() -> None:
    written = SearchOut(hits=[HitOut(**hit(0, text="a"))], position=1, **WHOLE).model_dump_json()

    assert SearchResult.model_validate_json(written).model_dump_json() == written


FULL = {
    "text": "The moon.",
    "metadata": {"year": 1687, "text": "odd", "metadata.x": "odder", "share": 0.5, "ok": True, "tags": ["a", "b"]},
    "highlights": [(4, 8)],
    "page_number": 2,
    "created_at": AT,
    "document": {"title": "Tides", "tags": ["sea"], "metadata": {"year": 1700}},
    "vector": to_base64(VECTOR),
}
NAMES = {
    "chunk_id": "c0",
    "document_id": "d0",
    "score": 1.0,
    "distance": None,
    "text": "The moon.",
    "highlights": [[4, 8]],
    "page_number": 2,
    "created_at": AT,
    "document.title": "Tides",
    "document.tags": ["sea"],
    "year": 1687,
    "metadata.text": "odd",
    "metadata.metadata.x": "odder",
    "share": 0.5,
    "ok": True,
    "metadata.tags": ["a", "b"],
    "document.metadata.year": 1700,
    "vector": VECTOR.tolist(),
}


def cells(table: pd.DataFrame | pl.DataFrame | pa.Table) -> list[dict[str, Any]]:
    """Return the rows of any of the three, without their own kinds of values."""
    rows = (
        table.to_dict("records")
        if isinstance(table, pd.DataFrame)
        else (table.to_dicts() if isinstance(table, pl.DataFrame) else table.to_pylist())
    )
    return [{name: own(value) for name, value in row.items()} for row in rows]


def own(value: Any) -> Any:  # noqa: ANN401  # a cell of anything
    if isinstance(value, list | np.ndarray):
        return [own(deep) for deep in value]
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return None if value is pd.NA or value is pd.NaT or value != value else value  # noqa: PLR0124  # NaN is told so


TO: dict[str, Callable[[Any], Any]] = {
    "pandas": lambda table: table.to_pandas(),
    "polars": lambda table: table.to_polars(),
    "arrow": lambda table: table.to_arrow(),
}
EVERY = pytest.mark.parametrize("kind", TO)


@EVERY
def test_a_hit_is_a_row_with_a_column_for_each_field(kind: str) -> None:
    [row] = cells(TO[kind](result(FULL)))

    assert row == NAMES


@EVERY
def test_what_some_hits_lack_is_missing(kind: str) -> None:
    found = result({"metadata": {"a": 1, "b": True}}, {"metadata": {"c": "x", "a": None}}, FULL)

    rows = cells(TO[kind](found))

    assert [(row["a"], row["b"], row["c"]) for row in rows] == [(1, True, None), (None, None, "x"), (None, None, None)]
    assert [row["vector"] for row in rows] == [None, None, VECTOR.tolist()]
    assert [row["created_at"] for row in rows] == [None, None, AT]


def test_columns_have_the_types_that_are_promised() -> None:
    found = result(FULL, {**FULL, "metadata": {}})

    frame, table, arrow = found.to_pandas(), found.to_polars(), found.to_arrow()

    assert {name: str(frame[name].dtype) for name in ("score", "page_number", "year", "ok", "created_at")} == {
        "score": "float64",
        "page_number": "int64",
        "year": "Int64",
        "ok": "boolean",
        "created_at": "datetime64[us, UTC]",
    }
    assert frame["vector"][0].dtype == np.float32
    assert table.schema["vector"] == pl.Array(pl.Float32, 2)
    assert table.schema["created_at"] == pl.Datetime("us", "UTC")
    assert table.schema["document.tags"] == pl.List(pl.String)
    assert arrow.schema.field("vector").type == pa.list_(pa.float32(), 2)
    assert arrow.schema.field("highlights").type == pa.list_(pa.list_(pa.int64()))


@EVERY
@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, ["chunk_id", "document_id", "score", "distance", "text"]),
        (["page_number", "vector"], ["chunk_id", "document_id", "score", "distance", "page_number", "vector"]),
        ([], ["chunk_id", "document_id", "score", "distance"]),
    ],
)
def test_nothing_found_has_the_columns_that_were_asked_for(
    kind: str, select: list[str] | None, names: list[str]
) -> None:
    table = TO[kind](result() if select is None else result().selecting(select))

    assert list(table.column_names if kind == "arrow" else table.columns) == names
    assert len(table) == 0


KINDS: list[tuple[list[Any], Kind]] = [
    ([None, None], Kind.STRING),
    (["a", None], Kind.STRING),
    ([1, 2], Kind.INTEGER),
    ([1, 0.5], Kind.FLOAT),
    ([True, None], Kind.BOOLEAN),
    ([True, 1], Kind.OBJECT),
    ([["a"], []], Kind.STRINGS),
    ([[1], [2]], Kind.INTEGERS),
    ([[1, 0.5]], Kind.FLOATS),
    ([["a", 1]], Kind.OBJECT),
    ([["a"], "a"], Kind.OBJECT),
    ([{"a": 1}, None], Kind.OBJECT),
]


@EVERY
@pytest.mark.parametrize(("values", "inferred"), KINDS)
def test_metadata_of_any_kind_makes_a_column(kind: str, values: list[Any], inferred: Kind) -> None:
    made = cells(TO[kind](Frame((Column("x", kind_of(values), values),))))

    assert kind_of(values) is inferred
    written = [json.dumps(value) if inferred is Kind.OBJECT and value is not None else value for value in values]
    assert [row["x"] for row in made] == (values if kind == "pandas" else written)


# Of a server


@EVERY
def test_search_and_lists_are_tables(books: Library, kind: str) -> None:
    found = cells(TO[kind](books.search(text="moon", k=2, select=["text", "document.title", "document.metadata.year"])))
    documents = cells(TO[kind](books.documents.list(page_size=1, texts=True)))
    chunks = cells(TO[kind](books.chunks.list(page_size=2, embedding=True)))

    assert {row["document_id"] for row in found} <= {"tides", "cats", "evil"}
    assert [(row["id"], row["year"], row["chunks"]) for row in documents] == [
        ("cats", 1915, 1),
        ("evil", None, 1),
        ("tides", 1687, 1),
    ]
    assert documents[2]["text"] == "The moon pulls the sea."
    assert [len(row["embedding"]) for row in chunks] == [256] * 3


def test_pages_of_hits_and_libraries_are_tables(books: Library, client: Pergamum) -> None:
    pages = books.search_pages(text="moon", k=1).to_polars()

    assert sorted(pages["document_id"]) == ["cats", "evil", "tides"]
    assert "books to show" in client.libraries.list().to_pandas()["name"].tolist()


def test_an_empty_list_has_the_columns_of_one(books: Library) -> None:
    nothing = books.chunks.list(filter=F.document_id == "nobody", embedding=True).to_arrow()

    assert nothing.num_rows == 0
    assert nothing.column_names == books.chunks.list(embedding=True).to_arrow().column_names


def test_facets_are_a_row_for_each_thing_counted(books: Library) -> None:
    year: Facet = {"field": "year", "top": 2, "stats": True, "ranges": [{"gte": 1900}]}

    facets = books.documents.facets(year, {"field": "kind", "top": 1})

    assert isinstance(facets, Facets)
    rows = facets.to_polars().select("field", "kind", "value", "gte", "max", "count").rows()
    assert set(rows) == {
        ("year", "value", "1687", None, None, 1),
        ("year", "value", "1915", None, None, 1),
        ("year", "range", None, 1900, None, 1),
        ("year", "stats", None, None, 1915, None),
        ("year", "missing", None, None, None, 1),
        ("kind", "value", '"a"', None, None, 1),
        ("kind", "missing", None, None, None, 2),
    }


def test_the_curve_of_recall_is_a_table(books: Library) -> None:
    status = books.index.status()
    point = RecallPointOut(
        strategy="hnsw",
        effort=64,
        k=10,
        selectivity=1.0,
        foreign=False,
        recall=0.99,
        low=0.98,
        high=1.0,
        seconds=1e-4,
        queries=500,
    )

    table = status.model_copy(update={"recall_curve": [point]}).to_polars()

    assert isinstance(status, IndexStatus)
    assert len(status.to_pandas()) == 0
    assert table.rows(named=True) == [point.model_dump()]


@pytest.mark.parametrize("module", ["pandas", "polars", "pyarrow"])
def test_tables_name_what_to_install(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ImportError, match=r'pip install "pergamum\[frames\]"'):
        TO[module.replace("pyarrow", "arrow")](result(FULL))


def test_no_library_of_tables_is_loaded_before_it_is_asked_for() -> None:
    program = (
        "import sys; from pergamum.client.tables import rows_of; import pergamum.client;"
        "list(rows_of([{'id': '1'}], 'documents')); list(rows_of({'id': ['1']}, 'documents')); print(*sys.modules)"
    )

    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert not set(printed.split()) & {"pandas", "polars", "pyarrow"}


def test_an_unknown_field_of_a_newer_server_is_no_column() -> None:
    newer = result({"text": "a", "shine": 3})

    assert "shine" not in HITS.frame(newer.hits).to_polars().columns
