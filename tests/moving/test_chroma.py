"""Moving in from Chroma: from a folder that its own client wrote."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

from pergamum.client import F, Pergamum
from pergamum.moving.base import CannotMove, Choice
from pergamum.moving.mover import move
from pergamum.moving.opening import opened
from tests.moving.sample import ROWS, assert_same_vectors, metadata, nearest, texts, types, vectors

IDS = [f"row {number}" for number in range(ROWS)]


@dataclass(frozen=True, slots=True)
class Written:
    """A folder of Chroma's, and the client that wrote it."""

    folder: Path
    client: Any

    def collection(self, name: str, space: str = "l2") -> Any:  # noqa: ANN401 - chromadb's collection
        settings: Any = {"hnsw": {"space": space}}
        return self.client.create_collection(name, configuration=settings, embedding_function=None)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """A folder with three collections of the same rows, one for each metric."""
    folder = tmp_path_factory.mktemp("chroma")
    client: Any = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    written = Written(folder, client)
    for space in ("l2", "ip", "cosine"):
        written.collection(f"rows-{space}", space).add(
            ids=IDS,
            embeddings=vectors(),
            documents=[f"text {number}" for number in range(ROWS)],
            metadatas=[{"year": 1990 + number, "score": number / 4, "good": number % 2 == 0} for number in range(ROWS)],
        )
    yield written
    client.close()


@pytest.mark.parametrize(("space", "metric"), [("l2", "l2"), ("ip", "dot"), ("cosine", "cosine")])
def test_a_collection_arrives_whole_and_finds_the_same_neighbours(
    written: Written, client: Pergamum, name: str, space: str, metric: str
) -> None:
    theirs = written.client.get_collection(f"rows-{space}", embedding_function=None)
    with opened("chroma", str(written.folder), Choice(collection=f"rows-{space}")) as source:
        report = move(source, client, name)

    library = client.libraries.get(name)
    assert (report.read, report.moved, report.left_out) == (ROWS, ROWS, 0)
    assert list(report.lines()) == []
    assert (library.info().metric, library.info().documents, library.info().chunks) == (metric, ROWS, ROWS)
    assert_same_vectors(library, IDS, theirs.get(include=["embeddings"])["embeddings"].astype(np.float32))
    assert texts(library)["row 3"] == "text 3"
    assert metadata(library)["row 3"] == {"year": 1993, "score": 0.75, "good": False}
    assert types(library) == {"year": "integer", "score": "float", "good": "boolean"}
    for question in vectors(5, seed=8):
        found = theirs.query(query_embeddings=[question], n_results=10)["ids"][0]
        assert nearest(library, question) == found
    assert {hit.chunk_id for hit in library.search(vector=vectors()[0], k=9, filter=F.year < 1993).hits} == {*IDS[:3]}


def test_vectors_that_chroma_does_not_normalise_are_the_ones_that_were_added(
    written: Written, client: Pergamum, name: str
) -> None:
    with opened("chroma", str(written.folder), Choice(collection="rows-l2")) as source:
        move(source, client, name)

    assert_same_vectors(client.libraries.get(name), IDS, vectors())


def test_pages_follow_each_other_from_any_row_on(written: Written) -> None:
    with opened("chroma", str(written.folder), Choice(collection="rows-l2")) as source:
        pages = list(source.pages(None, 7))
        rest = list(source.pages(pages[2].cursor, 9))

    assert [row.id for page in pages for row in page.rows] == IDS
    assert [row.id for page in rest for row in page.rows] == IDS[21:]
    assert [len(page.rows) for page in pages] == [7] * 8 + [4]


def test_values_of_two_types_come_untyped_and_null_texts_come_empty(
    written: Written, client: Pergamum, name: str
) -> None:
    collection = written.collection("mixed")
    collection.add(
        ids=["a", "b", "c"],
        embeddings=vectors(3),
        documents=["only this one has a text", None, None],
        metadatas=[{"v": 1, "n": 1, "l": ["x", "y"]}, {"v": "one", "n": 1.5}, {"n": 2}],
    )
    collection.add(ids=["picture"], embeddings=vectors(1), uris=["file:///moon.png"])

    with opened("chroma", str(written.folder), Choice(collection="mixed")) as source:
        report = move(source, client, name)

    library = client.libraries.get(name)
    assert report.moved == 4
    assert {f.reason: f.examples for f in report.findings.values()} == {
        "have no text: theirs is empty": ["b", "c", "picture"]
    }
    assert metadata(library)["a"] == {"v": 1, "n": 1, "l": ["x", "y"]}
    assert types(library) == {"n": "float", "l": "list[string]"}
    assert report.fields.untyped() == {"v": {"integer": 1, "string": 1}}
    assert texts(library) == {"a": "only this one has a text", "b": "", "c": "", "picture": ""}
    assert library.documents.get("picture").source_url == "file:///moon.png"


def test_what_a_collection_is_besides_its_rows_is_told(written: Written) -> None:
    settings: Any = {"hnsw": {"space": "cosine"}}
    written.client.create_collection("told", configuration=settings, metadata={"owner": "me"})

    with opened("chroma", str(written.folder), Choice(collection="told")) as source:
        about = source.about

    assert (about.count, about.dimension) == (0, None)
    assert [line.partition(":")[0] for line in about.left] == [
        "the metadata of the collection itself",
        "the embedding function 'default'",
    ]


def test_it_has_to_be_clear_which_collection_is_meant(written: Written, tmp_path: Path) -> None:
    with (
        pytest.raises(CannotMove, match=r"choose the collection with --collection; there are: .*rows-l2"),
        opened("chroma", str(written.folder)),
    ):
        pass
    with (
        pytest.raises(CannotMove, match=r"there is no collection 'rows'"),
        opened("chroma", str(written.folder), Choice(collection="rows")),
    ):
        pass
    with pytest.raises(CannotMove, match=r"no folder of Chroma"), opened("chroma", str(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CannotMove, match=r"there is no folder"), opened("chroma", str(tmp_path / "none")):
        pass
