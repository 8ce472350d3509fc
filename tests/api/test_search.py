import base64
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put


def test_hits_come_nearest_first_with_what_is_known_of_them(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("far", 3, 4, metadata={"n": 1}), chunk("near", 0, 1), chunk("middle", 0, 2))

    answer = client.post(f"{library}/search", json={"vector": [0, 0], "k": 2})

    assert answer.status_code == 200
    found = answer.json()
    nearest = {"chunk_id": "near", "document_id": "d", "text": "near", "metadata": {}, "score": -1.0, "distance": 1.0}
    assert found["hits"][0] == nearest
    assert [hit["chunk_id"] for hit in found["hits"]] == ["near", "middle"]
    assert (found["exact"], found["expected_recall"], found["complete"], found["position"]) == (True, 1.0, True, 1)


@pytest.mark.parametrize(("metric", "score"), [("cosine", 0.6), ("dot", 3.0), ("l2", -np.sqrt(4 + 16))])
def test_score_grows_with_similarity(client: TestClient, metric: str, score: float) -> None:
    library = new_library(client, metric=metric, dimension=2)
    put(client, library, "d", chunk("c", 3, 4))

    hit = client.post(f"{library}/search", json={"vector": [1, 0]}).json()["hits"][0]

    assert hit["score"] == pytest.approx(score)
    assert hit["distance"] == pytest.approx(1 - score if metric == "cosine" else -score)


def test_ties_are_broken_the_same_way_every_time(client: TestClient, library: str) -> None:
    put(client, library, "d", *(chunk(str(number), 1, 0) for number in range(20)))

    answers = [client.post(f"{library}/search", json={"vector": [1, 0], "k": 5}).json()["hits"] for _ in range(3)]

    assert [hit["chunk_id"] for hit in answers[0]] == ["0", "1", "2", "3", "4"]
    assert answers[0] == answers[1] == answers[2]


def test_a_text_is_embedded_by_the_librarys_model(client: TestClient, texts: str) -> None:
    for name, text in {"pets": "Cats purr when they are content.", "space": "The rocket reached orbit."}.items():
        client.post(f"{texts}/documents", json={"id": name, "text": text})

    found = client.post(f"{texts}/search", json={"text": "feline happiness", "k": 1, "recall": "exact"}).json()

    assert [hit["document_id"] for hit in found["hits"]] == ["pets"]


def test_base64_and_numbers_find_the_same(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 0), chunk("b", 0, 1))
    written = base64.b64encode(np.array([0.25, 0.75], "<f4").tobytes()).decode()

    answers = [client.post(f"{library}/search", json={"vector": vector}).json() for vector in (written, [0.25, 0.75])]

    assert answers[0] == answers[1]


def test_a_library_without_vectors_finds_nothing(client: TestClient, texts: str) -> None:
    undecided = new_library(client, embedding_model=None)

    assert client.post(f"{undecided}/search", json={"vector": [1, 2, 3]}).json()["hits"] == []
    assert client.post(f"{texts}/search", json={"text": "anything"}).json()["hits"] == []
    assert client.post(f"{texts}/search", json={"vector": [0.5] * 256}).json()["complete"] is True


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({}, "invalid-request"),
        ({"vector": [1, 1], "text": "both"}, "invalid-request"),
        ({"vector": [1, 1], "k": 0}, "invalid-request"),
        ({"vector": [1, 1], "k": 2.5}, "invalid-request"),
        ({"vector": [1, 1], "k": True}, "invalid-request"),
        ({"vector": [1, 1], "k": 1_001}, "invalid-field"),
        ({"vector": [1, 1], "k": 10**30}, "invalid-request"),
        ({"vector": [1, 1], "recall": 0}, "invalid-request"),
        ({"vector": [1, 1], "recall": "most"}, "invalid-request"),
        ({"vector": [1, 1], "filter": {}}, "invalid-filter"),
        ({"vector": []}, "invalid-request"),
        ({"vector": [1, "1"]}, "invalid-request"),
        ({"vector": [1, None]}, "invalid-request"),
        ({"vector": [True, False]}, "invalid-request"),
        ({"vector": [1, 1, 1]}, "dimension-mismatch"),
        ({"vector": [1e300, 1]}, "not-finite"),
        ({"text": ""}, "invalid-request"),
        ({"text": "no model here"}, "embedding-required"),
    ],
)
def test_a_search_that_breaks_a_rule_is_refused(
    client: TestClient, library: str, body: dict[str, Any], slug: str
) -> None:
    put(client, library, "d", chunk("c", 1, 1))

    assert_problem(client.post(f"{library}/search", json=body), 422, slug)


def test_a_zero_vector_cannot_be_looked_for_under_cosine(client: TestClient) -> None:
    library = new_library(client, dimension=2)

    assert_problem(client.post(f"{library}/search", json={"vector": [0, 0]}), 422, "zero-vector")


def test_a_batch_answers_as_single_searches_do(client: TestClient, library: str) -> None:
    generator = np.random.default_rng(5)
    put(client, library, "d", *(chunk(str(n), *generator.standard_normal(2).tolist()) for n in range(50)))
    queries = [{"vector": generator.standard_normal(2).tolist(), "k": k} for k in (3, 7, 3, 1)]

    answers = client.post(f"{library}/search:batch", json={"queries": queries}).json()["answers"]

    assert answers == [client.post(f"{library}/search", json=query).json() for query in queries]


def test_a_batch_names_the_query_at_fault(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("c", 1, 1))
    queries = [{"vector": [1, 1]}, {"vector": [1]}]

    answer = client.post(f"{library}/search:batch", json={"queries": queries})

    assert assert_problem(answer, 422, "dimension-mismatch")["query"] == 1
    assert_problem(client.post(f"{library}/search:batch", json={"queries": []}), 422, "invalid-request")


def test_what_was_deleted_is_not_found(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 0), chunk("b", 1, 0))
    client.delete(f"{library}/chunks/a")

    found = client.post(f"{library}/search", json={"vector": [1, 0], "k": 10}).json()

    assert [hit["chunk_id"] for hit in found["hits"]] == ["b"]
    assert (found["complete"], found["position"]) == (True, 2)
