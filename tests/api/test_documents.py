from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, new_library, put

STORY = "Penelope wove by day. " * 40 + "\n\n" + "At night she undid her work. " * 40


def test_a_text_is_split_embedded_and_kept(client: TestClient, texts: str) -> None:
    body = {"title": "The loom", "author": "Homer", "tags": ["epic"], "metadata": {"book": 2}, "text": STORY}

    answer = client.post(f"{texts}/documents", json=body)

    assert answer.status_code == 201
    written = answer.json()
    assert written["chunks"] == len(written["chunk_ids"]) > 1
    assert answer.headers["pergamum-position"] == str(written["position"]) == "1"
    read = client.get(answer.headers["location"]).json()
    assert read | body == read
    assert "chunk_ids" not in read
    chunks = client.get(f"{texts}/documents/{written['id']}/chunks").json()["items"]
    assert [one["id"] for one in chunks] == written["chunk_ids"]
    assert [one["chunk_index"] for one in chunks] == list(range(len(chunks)))
    assert all(one["text"] in STORY for one in chunks)


def test_chunks_with_and_without_embeddings_are_stored_in_order(client: TestClient, texts: str) -> None:
    given = {"id": "given", "text": "a", "embedding": [0.5] * 256, "page_number": 3, "metadata": {"k": [1, None]}}

    written = client.post(f"{texts}/documents", json={"id": "d", "chunks": [given, {"text": "made"}]}).json()

    assert written["chunk_ids"][0] == "given"
    read = client.get(f"{texts}/chunks/given", params={"include": "embedding"}).json()
    assert read | given == read
    assert len(client.get(f"{texts}/chunks/{written['chunk_ids'][1]}?include=embedding").json()["embedding"]) == 256


def test_chunks_given_with_a_text_are_those_it_has_and_the_text_is_kept(client: TestClient, texts: str) -> None:
    body = {"text": STORY, "chunks": [{"text": "mine"}]}
    client.put(f"{texts}/documents/d", json=body)
    before = client.get(f"{texts}/documents/d").json()

    client.patch(f"{texts}/documents/d", json={"text": "new", "chunks": [{"text": "a"}, {"text": "b"}]})

    after = client.get(f"{texts}/documents/d").json()
    items = client.get(f"{texts}/documents/d/chunks").json()["items"]
    assert (before["text"], before["chunks"]) == (STORY, 1)
    assert (after["text"], [one["text"] for one in items]) == ("new", ["a", "b"])
    assert client.patch(f"{texts}/documents/d", json={"chunks": []}).status_code == 422


def test_a_patch_may_bring_chunks_with_the_ids_they_had(client: TestClient, texts: str) -> None:
    client.put(f"{texts}/documents/other", json={"chunks": [{"id": "theirs", "text": "theirs"}]})
    client.put(
        f"{texts}/documents/d", json={"text": "one", "chunks": [{"id": "c", "text": "old"}, {"id": "e", "text": "old"}]}
    )

    for word in ("tides", "moon"):
        chunks = [{"id": "c", "text": word, "metadata": {"word": word}}]
        assert client.patch(f"{texts}/documents/d", json={"text": word, "chunks": chunks}).status_code == 200

    found = [
        client.post(f"{texts}/search", json={"text": word, "mode": "keyword"}).json()["hits"]
        for word in ("old", "tides", "moon")
    ]
    assert [[hit["chunk_id"] for hit in hits] for hits in found] == [[], [], ["c"]]
    where = {"filter": {"field": "word", "op": "exists"}}
    assert client.post(f"{texts}/chunks:count", json=where).json()["count"] == 1
    for id in ("theirs", "c"):
        body = {"text": "x", "chunks": [{"id": id, "text": "x"}, {"id": "c", "text": "x"}]}
        assert client.patch(f"{texts}/documents/d", json=body).status_code in {409, 422}


def test_a_document_may_have_no_chunks(client: TestClient, texts: str) -> None:
    bare: list[dict[str, Any]] = [{}, {"chunks": []}, {"text": "a", "chunks": []}]
    for body in bare:
        assert client.post(f"{texts}/documents", json=body).json()["chunks"] == 0


def test_post_refuses_an_id_that_exists_and_put_replaces_it(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("old", 1, 1), title="first")

    assert_problem(client.post(f"{library}/documents", json={"id": "d"}), 409, "document-exists")
    answer = client.put(f"{library}/documents/d", json={"chunks": [chunk("new", 2, 2)]})

    assert (answer.status_code, answer.json()["version"], answer.json()["title"]) == (200, 2, None)
    assert client.get(f"{library}/chunks/old").status_code == 404
    hits = client.post(f"{library}/search", json={"vector": [1, 1]}).json()["hits"]
    assert [hit["chunk_id"] for hit in hits] == ["new"]


def test_put_creates_under_the_id_of_the_path(client: TestClient, library: str) -> None:
    answer = client.put(f"{library}/documents/d", json={"id": "d"})

    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).json()["id"] == "d"
    assert_problem(client.put(f"{library}/documents/d", json={"id": "e"}), 422, "invalid-field")


def test_nothing_of_a_refused_document_is_stored(client: TestClient, library: str) -> None:
    body = {"id": "d", "chunks": [chunk("good", 1, 1), chunk("bad", 1, 1, 1)]}

    problem = assert_problem(client.post(f"{library}/documents", json=body), 422, "dimension-mismatch")

    assert (problem["document"], problem["chunk"], problem["chunk_id"]) == (0, 1, "bad")
    assert client.get(f"{library}/documents/d").status_code == 404
    assert client.get(f"{library}/chunks/good").status_code == 404


@pytest.mark.parametrize(
    ("numbers", "slug"),
    [
        ("[NaN, 1]", "not-finite"),
        ("[1e39, 1]", "not-finite"),
        ("[Infinity, 0]", "not-finite"),
        ("[0, 0]", "zero-vector"),
    ],
)
def test_a_vector_that_cannot_be_compared_is_refused(client: TestClient, numbers: str, slug: str) -> None:
    library = new_library(client, dimension=2)
    body = f'{{"id": "d", "chunks": [{{"id": "c", "text": "", "embedding": {numbers}}}]}}'

    answer = client.post(f"{library}/documents", content=body, headers={"content-type": "application/json"})

    assert assert_problem(answer, 422, slug)["chunk_id"] == "c"
    assert client.get(library).json()["documents"] == 0


def test_text_without_a_model_needs_an_embedding(client: TestClient, library: str) -> None:
    for body in ({"text": "words"}, {"chunks": [{"text": "words"}]}):
        assert_problem(client.post(f"{library}/documents", json=body), 422, "embedding-required")


def test_a_chunk_of_another_document_cannot_be_taken(client: TestClient, library: str) -> None:
    put(client, library, "owner", chunk("c", 1, 1))

    answer = client.put(f"{library}/documents/thief", json={"chunks": [chunk("c", 2, 2)]})

    problem = assert_problem(answer, 409, "chunk-owned-elsewhere")
    assert (problem["chunk_id"], problem["document_id"]) == ("c", "owner")


def test_a_patch_of_text_splits_again_and_no_other_field_does(client: TestClient, texts: str) -> None:
    created = client.post(f"{texts}/documents", json={"id": "d", "title": "t", "tags": ["x"], "text": "one"}).json()
    url = f"{texts}/documents/d"

    renamed = client.patch(url, json={"title": "u", "tags": None, "metadata": {"a": 1, "b": {"c": 2}}}).json()
    retold = client.patch(url, json={"text": "two", "metadata": {"a": None, "b": {"d": 3}}}).json()

    assert (renamed["title"], renamed["tags"], renamed["chunk_ids"]) == ("u", [], None)
    assert client.get(f"{texts}/chunks/{created['chunk_ids'][0]}").status_code == 404
    assert retold["metadata"] == {"b": {"c": 2, "d": 3}}
    assert client.get(url).json()["text"] == "two"
    assert client.get(f"{texts}/chunks/{retold['chunk_ids'][0]}").json()["text"] == "two"
    assert retold["version"] == 3


@pytest.mark.parametrize("patch", [{"text": None}, {"chunks": []}, {"id": "e"}, {"title": 1}])
def test_a_patch_that_breaks_a_rule_changes_nothing(client: TestClient, texts: str, patch: dict[str, Any]) -> None:
    client.post(f"{texts}/documents", json={"id": "d", "text": "one"})

    assert client.patch(f"{texts}/documents/d", json=patch).status_code == 422
    assert client.get(f"{texts}/documents/d").json()["version"] == 1


def test_an_unknown_document_is_not_found(client: TestClient, texts: str) -> None:
    url = f"{texts}/documents/nobody"
    answers = [client.get(url), client.delete(url), client.patch(url, json={"title": "x"}), client.patch(url, json={})]
    answers.append(client.patch(url, json={"text": "x"}))

    for answer in answers:
        assert assert_problem(answer, 404, "document-not-found")["document_id"] == "nobody"


def test_deleting_a_document_deletes_its_chunks(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("c", 1, 1))

    answer = client.delete(f"{library}/documents/d")

    assert (answer.status_code, answer.headers["pergamum-position"]) == (204, "2")
    assert client.get(f"{library}/chunks/c").status_code == 404
    assert client.post(f"{library}/search", json={"vector": [1, 1]}).json()["hits"] == []


def test_a_batch_is_all_or_nothing(client: TestClient, library: str) -> None:
    put(client, library, "b", chunk("taken", 1, 1))
    documents = [{"id": "a", "chunks": [chunk("1", 1, 1)]}, {"id": "b", "chunks": [chunk("2", 2, 2)]}]

    refused = client.post(f"{library}/documents:batch", json={"documents": documents, "mode": "create"})
    assert assert_problem(refused, 409, "document-exists")["document"] == 1
    assert client.get(f"{library}/documents/a").status_code == 404

    stored = client.post(f"{library}/documents:batch", json={"documents": documents}).json()
    assert (stored["created"], stored["replaced"]) == (1, 1)
    assert [(one["id"], one["chunk_ids"], one["version"]) for one in stored["items"]] == [
        ("a", ["1"], 1),
        ("b", ["2"], 2),
    ]
    assert client.get(f"{library}/chunks/taken").status_code == 404


def test_an_id_may_stand_once_in_a_batch(client: TestClient, library: str) -> None:
    twice = [{"id": "a"}, {"id": "b"}, {"id": "a"}]
    shared = [{"id": "a", "chunks": [chunk("c", 1, 1)]}, {"id": "b", "chunks": [chunk("c", 1, 1)]}]

    problem = assert_problem(client.post(f"{library}/documents:batch", json={"documents": twice}), 422, "duplicate-id")
    assert (problem["noun"], problem["document"]) == ("document", 2)
    problem = assert_problem(client.post(f"{library}/documents:batch", json={"documents": shared}), 422, "duplicate-id")
    assert (problem["noun"], problem["document"], problem["chunk"]) == ("chunk", 1, 0)


def test_lists_hold_texts_only_where_asked(client: TestClient, texts: str) -> None:
    client.post(f"{texts}/documents", json={"id": "d", "text": "one"})

    assert "text" not in client.get(f"{texts}/documents").json()["items"][0]
    assert client.get(f"{texts}/documents", params={"include": "text"}).json()["items"][0]["text"] == "one"
