import base64
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, put


def test_a_chunk_is_posted_into_its_document(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 1))

    answer = client.post(f"{library}/chunks", json=chunk("b", 2, 2, document_id="d", page_number=4))

    assert answer.status_code == 201
    written = answer.json()
    assert (written["document_id"], written["chunk_index"], written["page_number"]) == ("d", 1, 4)
    assert answer.headers["pergamum-position"] == str(written["position"])
    read = client.get(answer.headers["location"]).json()
    assert read == {name: value for name, value in written.items() if name != "position"}
    assert client.get(f"{library}/documents/d").json()["version"] == 2


def test_an_index_is_never_used_twice(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 1), chunk("b", 2, 2), chunk("c", 3, 3))
    client.delete(f"{library}/chunks/c")
    client.delete(f"{library}/chunks/a")

    client.post(f"{library}/chunks", json=chunk("e", 4, 4, document_id="d"))

    listed = client.get(f"{library}/chunks", params={"document_id": "d"}).json()["items"]
    assert [(one["id"], one["chunk_index"]) for one in listed] == [("b", 1), ("e", 3)]


def test_put_creates_then_replaces_in_place(client: TestClient, library: str) -> None:
    put(client, library, "d")
    url = f"{library}/chunks/c"

    created = client.put(url, json={"document_id": "d", "text": "old", "embedding": [1, 1]})
    replaced = client.put(url, json={"document_id": "d", "text": "new", "embedding": [2, 2]})

    assert (created.status_code, replaced.status_code) == (201, 200)
    assert (replaced.json()["chunk_index"], replaced.json()["version"]) == (0, 2)
    assert client.get(url, params={"include": "embedding"}).json()["embedding"] == [2, 2]


def test_ids_are_refused_as_the_mode_says(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("c", 1, 1))
    put(client, library, "e")

    again = client.post(f"{library}/chunks", json=chunk("c", 1, 1, document_id="d"))
    assert_problem(again, 409, "chunk-exists")
    stolen = client.put(f"{library}/chunks/c", json={"document_id": "e", "text": "", "embedding": [1, 1]})
    assert_problem(stolen, 409, "chunk-owned-elsewhere")
    homeless = client.post(f"{library}/chunks", json=chunk("x", 1, 1, document_id="nowhere"))
    assert_problem(homeless, 404, "document-not-found")


def test_a_patch_merges_metadata_and_clears_with_null(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("c", 1, 1, page_number=3, metadata={"a": 1, "b": 2}))
    url = f"{library}/chunks/c"

    patched = client.patch(url, json={"page_number": None, "metadata": {"b": None, "c": 3}}).json()

    assert (patched["page_number"], patched["metadata"], patched["version"]) == (None, {"a": 1, "c": 3}, 2)
    assert client.patch(url, json={"metadata": None}).json()["metadata"] == {}
    assert client.patch(url, json={"embedding": [5, 5]}).json()["version"] == 4
    assert client.get(url, params={"include": "embedding"}).json()["embedding"] == [5, 5]


@pytest.mark.parametrize("patch", [{"text": None}, {"embedding": None}, {"document_id": "e"}, {"embedding": [1]}])
def test_a_patch_that_breaks_a_rule_changes_nothing(client: TestClient, library: str, patch: dict[str, Any]) -> None:
    put(client, library, "d", chunk("c", 1, 1))

    assert client.patch(f"{library}/chunks/c", json=patch).status_code == 422
    assert client.get(f"{library}/chunks/c").json()["version"] == 1


def test_a_new_text_is_embedded_if_there_is_a_model(client: TestClient, library: str, texts: str) -> None:
    put(client, texts, "d", {"id": "c", "text": "snow and ice"}, title="Weather")
    put(client, library, "d", chunk("c", 1, 1))
    url = f"{texts}/chunks/c"
    before = client.get(url, params={"include": "embedding"}).json()["embedding"]

    assert client.patch(url, json={"text": "desert heat"}).status_code == 200

    after = client.get(url, params={"include": "embedding"}).json()
    assert after["text"] == "desert heat"
    assert after["embedding"] != before
    twin = put(client, texts, "e", {"id": "twin", "text": "desert heat"}, title="Weather")
    assert (
        client.get(f"{texts}/chunks/{twin['chunk_ids'][0]}?include=embedding").json()["embedding"] == after["embedding"]
    )
    alone = client.patch(f"{library}/chunks/c", json={"text": "x"})
    assert assert_problem(alone, 422, "embedding-required")["chunk_id"] == "c"


def test_the_title_is_embedded_with_a_text_wherever_the_chunk_comes_from(client: TestClient, texts: str) -> None:
    put(client, texts, "d", {"id": "inside", "text": "red"}, title="Colours")
    client.post(f"{texts}/chunks", json={"id": "posted", "document_id": "d", "text": "red"})
    put(client, texts, "bare", {"id": "untitled", "text": "red"})

    inside, posted, untitled = (
        client.get(f"{texts}/chunks/{id}?include=embedding").json()["embedding"]
        for id in ("inside", "posted", "untitled")
    )

    assert inside == posted
    assert inside != untitled


def test_embeddings_go_in_and_out_as_base64(client: TestClient, library: str) -> None:
    vector = np.array([0.1, -2.5], "<f4")
    written = base64.b64encode(vector.tobytes()).decode()
    put(client, library, "d", {"id": "c", "text": "", "embedding": written})

    read = client.get(f"{library}/chunks/c", params={"include": "embedding", "embedding_format": "base64"}).json()

    assert read["embedding"] == written
    assert client.get(f"{library}/chunks/c?include=embedding").json()["embedding"] == vector.tolist()
    assert "embedding" not in client.get(f"{library}/chunks/c").json()


@pytest.mark.parametrize("text", ["", "AAA", "AAAA", "!!!!AAAA", "AAAAAAA=\n", "é"])
def test_base64_that_is_no_vector_is_refused(client: TestClient, library: str, text: str) -> None:
    put(client, library, "d")

    answer = client.post(f"{library}/chunks", json={"document_id": "d", "text": "", "embedding": text})

    assert_problem(answer, 422, "invalid-request")


def test_a_batch_of_chunks_is_all_or_nothing(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("old", 1, 1))
    good, bad = chunk("good", 1, 1, document_id="d"), chunk("bad", 0, float(2**127) * 4, document_id="d")

    refused = client.post(f"{library}/chunks:batch", json={"chunks": [good, bad]})
    problem = assert_problem(refused, 422, "not-finite")
    assert (problem["chunk"], problem["chunk_id"], problem["at"]) == (1, "bad", 1)
    assert client.get(f"{library}/chunks/good").status_code == 404

    stored = client.post(f"{library}/chunks:batch", json={"chunks": [good, chunk("old", 3, 3, document_id="d")]}).json()
    assert (stored["created"], stored["replaced"]) == (1, 1)
    assert [(one["id"], one["chunk_index"], one["version"]) for one in stored["items"]] == [
        ("good", 1, 1),
        ("old", 0, 2),
    ]


def test_an_unknown_chunk_is_not_found(client: TestClient, texts: str) -> None:
    url = f"{texts}/chunks/nobody"

    for answer in (
        client.get(url),
        client.delete(url),
        client.patch(url, json={"text": "x"}),
        client.patch(url, json={}),
    ):
        assert_problem(answer, 404, "chunk-not-found")
