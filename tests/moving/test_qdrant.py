"""Moving in from Qdrant: from a folder of its client's local mode."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as qdrant

from pergamum.client import Pergamum
from pergamum.moving.base import CannotMove, Choice
from pergamum.moving.mover import move
from pergamum.moving.opening import opened
from tests.moving.sample import (
    DIMENSION,
    ROWS,
    Vectors,
    assert_same_vectors,
    metadata,
    nearest,
    stored_vectors,
    texts,
    types,
    vectors,
)

Write: TypeAlias = Callable[[QdrantClient], None]
UUIDS = [str(UUID(int=number * 2**100 + 1)) for number in range(ROWS // 2)]
IDS: list[int | str] = [*range(ROWS - len(UUIDS)), *UUIDS]


@pytest.fixture
def place(tmp_path: Path) -> Callable[[Write], str]:
    """Makes a folder that holds what a function writes; only one client may have it open."""

    def made(write: Write) -> str:
        client = QdrantClient(path=str(tmp_path / "qdrant"))
        write(client)
        client.close()
        return str(tmp_path / "qdrant")

    return made


def points() -> Iterator[qdrant.PointStruct]:
    for number, (id, vector) in enumerate(zip(IDS, vectors(), strict=True)):
        payload = {"page_content": f"text {number}", "year": 1990 + number, "at": "2026-11-21T09:30:00Z"}
        yield qdrant.PointStruct(id=id, vector=vector.tolist(), payload=payload)


def answers(folder: str) -> tuple[dict[str, Vectors], list[list[str]]]:
    """What Qdrant itself says its vectors are, and which are nearest."""
    client = QdrantClient(path=folder)
    records = client.retrieve("rows", IDS, with_vectors=True)
    found = [client.query_points("rows", query=each.tolist(), limit=10).points for each in vectors(5, seed=8)]
    client.close()
    stored = {str(record.id): np.array(record.vector, np.float32) for record in records}
    return stored, [[str(point.id) for point in points] for points in found]


@pytest.mark.parametrize(
    ("distance", "metric"),
    [(qdrant.Distance.DOT, "dot"), (qdrant.Distance.EUCLID, "l2"), (qdrant.Distance.COSINE, "cosine")],
)
def test_a_collection_arrives_whole_and_finds_the_same_neighbours(
    place: Callable[[Write], str], client: Pergamum, name: str, distance: qdrant.Distance, metric: str
) -> None:
    def write(local: QdrantClient) -> None:
        local.create_collection("rows", vectors_config=qdrant.VectorParams(size=DIMENSION, distance=distance))
        local.upsert("rows", list(points()))

    folder = place(write)
    stored, found = answers(folder)
    with opened("qdrant", folder) as source:
        report = move(source, client, name)

    library = client.libraries.get(name)
    assert (report.moved, report.left_out, list(report.lines())) == (ROWS, 0, [])
    assert library.info().metric == metric
    assert_same_vectors(library, list(stored), np.stack(list(stored.values())))
    assert texts(library)[UUIDS[0]] == f"text {ROWS - len(UUIDS)}"
    assert metadata(library)["3"] == {"year": 1993, "at": "2026-11-21T09:30:00Z"}
    assert [nearest(library, question) for question in vectors(5, seed=8)] == found
    if distance is not qdrant.Distance.COSINE:
        assert_same_vectors(library, list(map(str, IDS)), vectors())


def test_pages_follow_each_other_from_any_point_on(place: Callable[[Write], str]) -> None:
    def write(local: QdrantClient) -> None:
        local.create_collection(
            "rows", vectors_config=qdrant.VectorParams(size=DIMENSION, distance=qdrant.Distance.DOT)
        )
        local.upsert("rows", list(points()))

    with opened("qdrant", place(write)) as source:
        pages = list(source.pages(None, 7))
        rests = [[row.id for rest in source.pages(page.cursor, 9) for row in rest.rows] for page in pages]

    ids = [row.id for page in pages for row in page.rows]
    assert sorted(map(str, ids)) == sorted(map(str, IDS))
    assert rests == [ids[min(7 * (number + 1), ROWS) :] for number in range(len(pages))]


def several_vectors(local: QdrantClient) -> None:
    late = qdrant.MultiVectorConfig(comparator=qdrant.MultiVectorComparator.MAX_SIM)
    local.create_collection(
        "many",
        vectors_config={
            "title": qdrant.VectorParams(size=4, distance=qdrant.Distance.DOT),
            "image": qdrant.VectorParams(size=2, distance=qdrant.Distance.DOT),
            "late": qdrant.VectorParams(size=2, distance=qdrant.Distance.DOT, multivector_config=late),
        },
        sparse_vectors_config={"words": qdrant.SparseVectorParams()},
    )
    sparse = qdrant.SparseVector(indices=[1], values=[0.5])
    every: Any = {"title": [1.0, 2.0, 3.0, 4.0], "image": [1.0, 2.0], "words": sparse, "late": [[1.0, 2.0], [3.0, 4.0]]}
    local.upsert("many", [qdrant.PointStruct(id=1, vector=every, payload={"text": "a"})])
    local.upsert("many", [qdrant.PointStruct(id=2, vector={"image": [1.0, 2.0]}, payload={"text": "b"})])


def test_of_several_vectors_the_chosen_one_comes_and_the_others_are_told(
    place: Callable[[Write], str], client: Pergamum, name: str
) -> None:
    folder = place(several_vectors)
    with pytest.raises(CannotMove, match=r"--vector-field; there are: image, title$"), opened("qdrant", folder):
        pass

    with opened("qdrant", folder, Choice(vector="title")) as source:
        report = move(source, client, name)

    assert {id: vector.tolist() for id, vector in stored_vectors(client.libraries.get(name)).items()} == {
        "1": [1.0, 2.0, 3.0, 4.0]
    }
    assert (report.moved, report.left_out) == (1, 1)
    told = {found.reason: (found.count, found.examples) for found in report.findings.values()}
    assert told == {
        "have no vector": (1, ["2"]),
        "vector 'image'": (1, ["1"]),
        "sparse vector 'words'": (1, ["1"]),
        "multivector 'late'": (1, ["1"]),
    }


def test_a_payload_of_nested_values_and_places_comes_as_it_is(
    place: Callable[[Write], str], client: Pergamum, name: str
) -> None:
    payload = {"metadata": {"at": {"lat": 1.5, "lon": 2}, "deep": {"a": [1, {"b": None}]}, "n": None}, "body": "words"}

    def write(local: QdrantClient) -> None:
        local.create_collection("rows", vectors_config=qdrant.VectorParams(size=2, distance=qdrant.Distance.DOT))
        local.upsert("rows", [qdrant.PointStruct(id=1, vector=[1.0, 2.0], payload=payload)])

    with opened("qdrant", place(write), Choice(text="body", metadata="metadata")) as source:
        report = move(source, client, name)

    library = client.libraries.get(name)
    assert metadata(library) == {"1": {"at": {"lat": 1.5, "lon": 2}, "deep": {"a": [1, {"b": None}]}}}
    assert texts(library) == {"1": "words"}
    assert types(library) == {"at": "geo_point"}
    assert report.fields.untyped() == {"deep": {"mixed or nested values": 1}}


def test_a_metric_that_is_not_known_here_has_to_be_replaced(
    place: Callable[[Write], str], client: Pergamum, name: str
) -> None:
    def write(local: QdrantClient) -> None:
        local.create_collection("rows", vectors_config=qdrant.VectorParams(size=2, distance=qdrant.Distance.MANHATTAN))

    folder = place(write)
    with opened("qdrant", folder) as source, pytest.raises(CannotMove, match=r"choose --metric"):
        move(source, client, name)


def test_it_has_to_be_clear_what_is_meant(place: Callable[[Write], str]) -> None:
    folder = place(several_vectors)

    for choice, said in (
        (Choice(collection="none"), "there is no collection 'none'; there are: many"),
        (Choice(vector="late"), "there is no vector 'late'; there are: image, title"),
        (Choice(id="x"), "leave the option out"),
    ):
        with pytest.raises(CannotMove, match=said), opened("qdrant", folder, choice):
            pass


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(CannotMove, match=r"no folder of Qdrant's local mode"), opened("qdrant", str(tmp_path)):
        pass

    assert list(tmp_path.iterdir()) == []
