"""Synthetic documents and queries: the same again, the first of more, as many as asked, in little memory."""

import json
import tracemalloc
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.client import NewDocument
from pergamum.synthetic import Recipe, documents, queries

SMALL = Recipe(seed=3, dimension=8, clusters=5)


def plain(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """What was made, to be compared."""
    return [json.dumps(item, default=np.ndarray.tolist) for item in items]


def chunks_of(recipe: Recipe, chunks: int) -> list[str]:
    return [chunk for document in documents(recipe, chunks) for chunk in plain(document["chunks"] or ())]


def embeddings(made: Iterable[NewDocument]) -> npt.NDArray[np.float32]:
    """The vectors of all chunks, shape (chunks, dimension)."""
    return np.array([chunk["embedding"] for document in made for chunk in document["chunks"] or ()])


def test_the_same_recipe_makes_the_same_documents() -> None:
    assert plain(documents(SMALL, 3_000)) == plain(documents(SMALL, 3_000))


def test_another_seed_makes_other_documents() -> None:
    others = {document["id"] for document in documents(Recipe(seed=4, dimension=8, clusters=5), 50)}

    assert others.isdisjoint(document["id"] for document in documents(SMALL, 50))
    assert chunks_of(SMALL, 50) != chunks_of(Recipe(seed=4, dimension=8, clusters=5), 50)


@settings(max_examples=15)
@given(few=st.integers(1, 3_000))
def test_fewer_chunks_are_the_first_of_more(few: int) -> None:
    made = chunks_of(SMALL, few)

    assert len(made) == few
    assert made == MANY[:few]


MANY = chunks_of(SMALL, 3_000)


def test_all_documents_but_the_last_are_whole() -> None:
    few, more = list(documents(SMALL, 40)), list(documents(SMALL, 3_000))

    assert plain(few[:-1]) == plain(more[: len(few) - 1])
    assert {**few[-1], "chunks": None} == {**more[len(few) - 1], "chunks": None}


def test_a_change_of_the_dimension_leaves_texts_and_metadata_as_they_are() -> None:
    wider = Recipe(seed=3, dimension=16, clusters=5)
    bare = Recipe(seed=3, dimension=8, clusters=5, vectors=False)

    def without_vectors(recipe: Recipe) -> list[str]:
        made = list(documents(recipe, 100))
        for document in made:
            for chunk in document["chunks"] or ():
                chunk.pop("embedding", None)
        return plain(made)

    assert without_vectors(wider) == without_vectors(SMALL) == plain(documents(bare, 100))


@pytest.mark.parametrize("per_document", [1.0, 2.5, 100.0, 1_000.0])
def test_documents_have_the_mean_number_of_chunks_and_numbers_in_order(per_document: float) -> None:
    recipe = Recipe(dimension=2, chunks_per_document=per_document, vectors=False)

    made = list(documents(recipe, int(per_document * 60)))

    lengths = [len(document["chunks"] or ()) for document in made[:-1]]
    assert min(lengths) >= 1
    assert abs(np.mean(lengths) - per_document) <= 5 * np.sqrt(per_document / len(lengths))
    assert len({chunk["id"] for document in made for chunk in document["chunks"] or ()}) == int(per_document * 60)
    assert [chunk["page_number"] for chunk in made[0]["chunks"] or ()] == list(range(1, lengths[0] + 1))


def test_memory_does_not_grow_with_the_number_of_chunks() -> None:
    recipe = Recipe(dimension=64, clusters=10)

    def peak(chunks: int) -> int:
        tracemalloc.start()
        for _ in documents(recipe, chunks):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(9_000) <= peak(2_200) * 1.2


def test_queries_are_the_first_of_more_and_no_chunks() -> None:
    many = plain(queries(SMALL, 2_500))
    stored = set(map(tuple, embeddings(documents(SMALL, 500))))

    assert plain(queries(SMALL, 3)) == many[:3]
    assert len(set(many)) == 2_500
    assert stored.isdisjoint(tuple(query["vector"]) for query in queries(SMALL, 500))


def test_queries_come_from_the_clusters_of_the_documents() -> None:
    """The nearest chunk of nearly every query is of its topic, and most words of a query are words of that topic."""
    recipe = Recipe(seed=9, dimension=32, clusters=8, spread=0.5, chunks_per_document=1)
    made = list(islice(documents(recipe, 2_000), 2_000))
    matrix = embeddings(made)
    topics = np.array([document["metadata"]["topic"] for document in made])
    words: dict[int, str] = {}
    for document in made:
        words[document["metadata"]["topic"]] = words.get(document["metadata"]["topic"], "") + str(document["chunks"])

    asked = list(queries(recipe, 200))

    nearest = topics[np.argmax(matrix @ np.array([query["vector"] for query in asked]).T, axis=0)]
    assert np.mean(nearest == [query["topic"] for query in asked]) > 0.95
    assert all(word in words[query["topic"]] for query in asked for word in query["text"].split() if query["topic"] < 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("dimension", 0),
        ("dimension", 8_193),
        ("clusters", 0),
        ("clusters", 10_001),
        ("spread", -0.1),
        ("spread", float("nan")),
        ("skew", 11.0),
        ("chunks_per_document", 0.5),
        ("missing", 1.1),
    ],
)
def test_a_recipe_out_of_range_is_refused(field: str, value: float) -> None:
    given: dict[str, Any] = {field: value}

    with pytest.raises(ValueError, match=f"^{field} is "):
        Recipe(**given)
