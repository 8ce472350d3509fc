"""Moving in from LanceDB: from a folder that it wrote."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.index import IvfFlat

from pergamum.client import Pergamum
from pergamum.domain.vectors import Metric
from pergamum.moving.base import CannotMove, Choice
from pergamum.moving.mover import Move, State, drafting, move
from pergamum.moving.opening import opened
from tests.moving.sample import DIMENSION, ROWS, assert_same_vectors, metadata, nearest, texts, types, vectors

IDS = [f"row {number}" for number in range(ROWS)]
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def column(numbers: np.ndarray[Any, Any], kind: pa.DataType | None = None) -> pa.Array:
    flat = pa.array(numbers.ravel(), type=kind)
    return pa.FixedSizeListArray.from_arrays(flat, numbers.shape[1])


def written(folder: Path, columns: dict[str, Any], name: str = "rows") -> Any:  # noqa: ANN401 - lancedb's table
    return lancedb.connect(folder).create_table(name, pa.table(columns), on_bad_vectors="null")


def plain(numbers: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {
        "id": IDS[: len(numbers)],
        "vector": column(numbers),
        "text": [f"text of {id}" for id in IDS[: len(numbers)]],
    }


@pytest.mark.parametrize("metric", ["l2", "dot", "cosine"])
def test_a_table_arrives_whole_and_finds_the_same_neighbours(
    tmp_path: Path, client: Pergamum, name: str, metric: str
) -> None:
    theirs = written(tmp_path, plain(vectors()) | {"year": list(range(ROWS))})

    with opened("lancedb", str(tmp_path)) as source:
        assert source.about.metric is Metric.L2
        report = move(source, client, name, Choice(metric=Metric(metric)))

    library = client.libraries.get(name)
    assert (report.moved, report.left_out, list(report.lines())) == (ROWS, 0, [])
    assert library.info().metric == metric
    assert_same_vectors(library, IDS, vectors())
    assert (texts(library)["row 3"], metadata(library)["row 3"]) == ("text of row 3", {"year": 3})
    for question in vectors(5, seed=8):
        found = theirs.search(question).distance_type(metric).limit(10).to_list()
        assert nearest(library, question) == [row["id"] for row in found]


def test_the_metric_is_that_of_the_index(tmp_path: Path) -> None:
    table = written(tmp_path, plain(vectors()) | {"second": column(vectors())})
    table.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=1))

    with opened("lancedb", str(tmp_path), Choice(vector="vector")) as source:
        assert source.about.metric is Metric.COSINE
        assert source.about.left == ("the vectors of column 'second'",)
    with (
        pytest.raises(CannotMove, match=r"--vector-column; there are: second, vector$"),
        opened("lancedb", str(tmp_path)),
    ):
        pass


def test_every_type_of_arrow_comes_or_is_told(tmp_path: Path, client: Pergamum, name: str) -> None:
    rows = {
        "at": pa.array([AT, None], pa.timestamp("ns", "UTC")),
        "naive": pa.array([AT.replace(tzinfo=None)] * 2, pa.timestamp("us")),
        "day": pa.array([date(2026, 11, 21)] * 2),
        "price": pa.array([Decimal("1.50"), Decimal("0.12345678901234567890")]),
        "tags": pa.array([["a", "b"], []]),
        "deep": pa.array([{"a": 1}, {"a": None}]),
        "raw": pa.array([b"raw", None]),
        "number": pa.array([0.5, float("nan")]),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
    }
    written(tmp_path, plain(vectors(2)) | rows)

    with opened("lancedb", str(tmp_path)) as source:
        report = move(source, client, name)

    library = client.libraries.get(name)
    first, second = (metadata(library)[id] for id in ("row 0", "row 1"))
    assert first == {
        "at": "2026-11-21T09:30:00+00:00",
        "naive": "2026-11-21T09:30:00",
        "day": "2026-11-21",
        "price": 1.5,
        "tags": ["a", "b"],
        "deep": {"a": 1},
        "number": 0.5,
        "kind": "x",
    }
    assert second.keys() == {"naive", "day", "price", "tags", "deep", "kind"}
    assert types(library) | {"at": "datetime", "price": "float", "tags": "list[string]"} == types(library)
    assert {found.reason: found.count for found in report.findings.values()} == {
        "values of 'raw': bytes has no form in JSON": 1,
        "values of 'number': a number that is not finite": 1,
        "values of 'price': decimals, rounded to float64": 1,
    }


def test_a_column_of_objects_may_be_the_metadata(tmp_path: Path, client: Pergamum, name: str) -> None:
    written(tmp_path, plain(vectors(2)) | {"meta": pa.array([{"page": 1}, None]), "lang": ["en", "de"]})

    with opened("lancedb", str(tmp_path), Choice(metadata="meta")) as source:
        move(source, client, name)

    assert metadata(client.libraries.get(name)) == {"row 0": {"page": 1, "lang": "en"}, "row 1": {"lang": "de"}}


def test_it_has_to_be_clear_what_is_meant(tmp_path: Path) -> None:
    written(tmp_path, plain(vectors(2)))

    for choice, said in (
        (Choice(collection="none"), "there is no table 'none'; there are: rows"),
        (Choice(id="none"), "there is no column 'none'"),
        (Choice(texts="x"), "leave the option out"),
    ):
        with pytest.raises(CannotMove, match=said), opened("lancedb", str(tmp_path), choice):
            pass


def test_rows_without_vectors_are_told_and_halves_are_exact(tmp_path: Path, client: Pergamum, name: str) -> None:
    halves = vectors(3).astype(np.float16)
    some = pa.array([halves[0].tolist(), None, halves[2].tolist()], pa.list_(pa.float16(), DIMENSION))
    written(tmp_path, {"vector": some, "text": ["a", "b", "c"]})

    with opened("lancedb", str(tmp_path)) as source:
        report = move(source, client, name)
        assert "place in the table" in source.about.notes[0]

    assert_same_vectors(client.libraries.get(name), ["0", "2"], halves[[0, 2]].astype(np.float32))
    assert [(found.reason, found.examples) for found in report.findings.values()] == [("have no vector", ["1"])]


def test_a_move_goes_on_in_the_table_as_it_was(tmp_path: Path, client: Pergamum, name: str) -> None:
    table = written(tmp_path, plain(vectors()))
    library = client.libraries.create(name=name, metric="l2", dimension=DIMENSION, embedding_model=None)
    state = State()
    with opened("lancedb", str(tmp_path)) as source:
        first = next(iter(source.pages(None, 25)))
        state.cursor = first.cursor
    table.delete("id = 'row 0'")

    with opened("lancedb", str(tmp_path)) as source:
        Move(source, library, drafting(source.about, Choice(), library), state).run(size=25)

    assert_same_vectors(library, IDS[25:], vectors()[25:])
