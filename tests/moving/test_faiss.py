"""Moving in from faiss: from index files of many kinds, with a file of texts beside them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from pergamum.client import Pergamum
from pergamum.domain.vectors import Metric
from pergamum.moving.base import CannotMove, Choice
from pergamum.moving.mover import Move, State, drafting, move
from pergamum.moving.opening import opened
from tests.moving.sample import DIMENSION, ROWS, assert_same_vectors, metadata, nearest, texts, vectors

faiss.omp_set_num_threads(1)  # so few vectors are no work for two
NUMBERS = np.arange(ROWS) * 10
EXACT = ["Flat", "HNSW8,Flat", "IVF4,Flat", "IDMap,Flat", "IDMap2,HNSW8,Flat", "IDMap,IVF4,Flat", "IVF4,PQ4x4,RFlat"]


def written(folder: Path, recipe: str, metric: int = faiss.METRIC_L2, *, ids: bool = False) -> str:
    index = faiss.index_factory(DIMENSION, recipe, metric)
    index.train(vectors())
    if ids:
        index.add_with_ids(vectors(), NUMBERS)
    else:
        index.add(vectors())
    faiss.write_index(index, str(folder / "rows.faiss"))
    return str(folder / "rows.faiss")


def lines(folder: Path, rows: Sequence[object]) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("recipe", EXACT)
def test_an_index_arrives_whole_with_the_ids_it_was_given(
    tmp_path: Path, client: Pergamum, name: str, recipe: str
) -> None:
    named = recipe.startswith("IDMap")
    place = written(tmp_path, recipe, ids=named)
    lines(tmp_path, [{"text": f"text {number}", "year": number} for number in range(ROWS)])

    with opened("faiss", place) as source:
        report = move(source, client, name)
        notes = source.about.notes

    library = client.libraries.get(name)
    ids = [str(number) for number in (NUMBERS if named else range(ROWS))]
    assert (report.moved, list(report.lines()), notes) == (ROWS, [], ())
    assert_same_vectors(library, ids, vectors())
    assert (texts(library)[ids[7]], metadata(library)[ids[7]]) == ("text 7", {"year": 7})


@pytest.mark.parametrize(("kind", "metric"), [(faiss.METRIC_L2, "l2"), (faiss.METRIC_INNER_PRODUCT, "dot")])
def test_both_find_the_same_neighbours(tmp_path: Path, client: Pergamum, name: str, kind: int, metric: str) -> None:
    place = written(tmp_path, "Flat", kind)
    with opened("faiss", place) as source:
        move(source, client, name)

    library = client.libraries.get(name)
    _, found = faiss.read_index(place).search(vectors(5, seed=8), 10)
    assert library.info().metric == metric
    assert [nearest(library, question) for question in vectors(5, seed=8)] == [list(map(str, row)) for row in found]


def test_lines_with_numbers_belong_to_the_vectors_with_these_ids(tmp_path: Path, client: Pergamum, name: str) -> None:
    place = written(tmp_path, "IVF4,Flat", ids=True)
    lines(tmp_path, [{"id": int(number), "text": f"text {number}"} for number in NUMBERS[::-1] if number != 30])

    with opened("faiss", place) as source:
        report = move(source, client, name)

    found = texts(client.libraries.get(name))
    assert found == {str(number): "" if number == 30 else f"text {number}" for number in NUMBERS}
    assert {f.reason: f.examples for f in report.findings.values()} == {
        "no line in the file of texts": ["30"],
        "have no text: theirs is empty": ["30"],
    }


def test_lines_with_names_name_the_vectors_in_their_places(tmp_path: Path, client: Pergamum, name: str) -> None:
    place = written(tmp_path, "Flat")
    (tmp_path / "other.jsonl").write_text(
        "\n".join(json.dumps({"doi": f"10/{n}", "body": str(n)}) for n in range(ROWS))
    )

    with opened("faiss", place, Choice(id="doi", text="body", texts=str(tmp_path / "other.jsonl"))) as source:
        move(source, client, name)

    library = client.libraries.get(name)
    assert_same_vectors(library, [f"10/{number}" for number in range(ROWS)], vectors())
    assert texts(library)["10/7"] == "7"


def test_codes_come_as_what_the_index_makes_of_them_which_is_told(tmp_path: Path, client: Pergamum, name: str) -> None:
    place = written(tmp_path, "IVF4,PQ4x4")
    with opened("faiss", place) as source:
        move(source, client, name)
        notes = source.about.notes

    library = client.libraries.get(name)
    theirs: Any = faiss.read_index(place)
    theirs.make_direct_map()
    assert_same_vectors(library, list(map(str, range(ROWS))), theirs.reconstruct_n(0, ROWS))
    assert notes == ("IndexIVFPQ keeps codes: the vectors are what it makes of them",)


@pytest.mark.parametrize("recipe", ["Flat", "IVF4,Flat", "IDMap,Flat"])
def test_a_move_goes_on_where_it_ended(tmp_path: Path, client: Pergamum, name: str, recipe: str) -> None:
    place = written(tmp_path, recipe, ids=recipe.startswith("IDMap"))
    library = client.libraries.create(name=name, metric="l2", dimension=DIMENSION, embedding_model=None)
    with opened("faiss", place) as source:
        pages = list(source.pages(None, 7))
        state = State(cursor=pages[2].cursor)
        Move(source, library, drafting(source.about, Choice(), library), state).run(size=9)

    left = [row.id for page in pages[3:] for row in page.rows]
    assert {chunk.id for chunk in library.chunks.list()} == set(left)


def cut_in_half(folder: Path) -> str:
    place = Path(written(folder, "Flat"))
    place.write_bytes(place.read_bytes()[:100])
    return str(place)


def no_json(folder: Path) -> str:
    (folder / "rows.jsonl").write_text("{\n")
    return written(folder, "Flat")


def no_object(folder: Path) -> str:
    (folder / "rows.jsonl").write_text("{}\n\n[]\n")
    return written(folder, "Flat")


def damaged_lines(folder: Path) -> str:
    place = written(folder, "Flat")
    (folder / "rows.jsonl").write_text('{"id": 1}\n{"id": "b"}\n')
    return place


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (lambda folder: str(folder / "none"), "there is no file"),
        (cut_in_half, "no file that faiss reads"),
        (no_json, "line 1 is not JSON"),
        (no_object, "line 3 is not a JSON object"),
        (damaged_lines, "line 2 has no number as its 'id'"),
        (lambda folder: written(folder, "PCA8,IVF4,Flat"), "cannot give its vectors back"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, place: Any, told: str) -> None:  # noqa: ANN401 - a function
    with pytest.raises(CannotMove, match=told), opened("faiss", place(tmp_path)):
        pass


def test_another_metric_may_be_chosen(tmp_path: Path, client: Pergamum, name: str) -> None:
    with opened("faiss", written(tmp_path, "Flat", faiss.METRIC_L1), Choice(metric=Metric.L2)) as source:
        assert source.about.metric is None
        move(source, client, name, Choice(metric=Metric.L2))

    assert client.libraries.get(name).info().metric is Metric.L2
