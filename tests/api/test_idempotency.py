"""A write with an idempotency key is carried out once, however often it is sent; its reply is given again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from pergamum.api.writes import COMPRESSED_FROM, packed, unpacked
from pergamum.domain import replies
from pergamum.embedding.local import LocalEmbedder
from tests.api.conftest import NUMBERS, assert_problem, chunk, new_library, put, serving

THREADS = 8
VARYING = {"x-request-id", "idempotency-replayed"}

WRITES: dict[str, tuple[str, str, Any]] = {
    "create document": ("POST", "/documents", {"title": "t", "chunks": [{"text": "a", "embedding": [1, 2]}]}),
    "put document": ("PUT", "/documents/d", {"chunks": [{"text": "a", "embedding": [1, 2]}]}),
    "put new document": ("PUT", "/documents/new", {"chunks": []}),
    "patch document": ("PATCH", "/documents/d", {"title": "other"}),
    "delete document": ("DELETE", "/documents/d", None),
    "documents": ("POST", "/documents:batch", {"documents": [{"title": "1"}, {"title": "2"}]}),
    "create chunk": ("POST", "/chunks", {"document_id": "d", "text": "a", "embedding": [1, 2]}),
    "put chunk": ("PUT", "/chunks/c", {"document_id": "d", "text": "a", "embedding": [1, 2]}),
    "patch chunk": ("PATCH", "/chunks/c", {"page_number": 4}),
    "delete chunk": ("DELETE", "/chunks/c", None),
    "chunks": ("POST", "/chunks:batch", {"chunks": [{"document_id": "d", "text": "a", "embedding": [1, 2]}]}),
    "delete documents": ("POST", "/documents:delete", {"filter": {"field": "id", "op": "eq", "value": "d"}}),
    "update chunks": (
        "POST",
        "/chunks:update",
        {"filter": {"field": "id", "op": "eq", "value": "c"}, "set": {"page_number": 3}},
    ),
    "schema": ("PATCH", "/schema", {"chunks": {"add": {"year": {"type": "integer"}}}}),
    "patch library": ("PATCH", "", {"description": "other"}),
    "index": ("POST", "/index", {"kind": "brute_force"}),
    "delete library": ("DELETE", "", None),
}


@pytest.fixture
def filled(client: TestClient, library: str) -> str:
    """The path of a library with a document `d` of one chunk `c`."""
    put(client, library, "d", chunk("c", 1, 2))
    return library


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def new_key() -> str:
    return f"key-{next(NUMBERS)}"


def same(first: httpx2.Response, again: httpx2.Response) -> bool:
    """Whether the second is the first one's reply, given again."""
    headers = [{name: value for name, value in each.headers.items() if name not in VARYING} for each in (first, again)]
    return (
        (first.status_code, first.content, headers[0]) == (again.status_code, again.content, headers[1])
        and "Idempotency-Replayed" not in first.headers
        and again.headers["Idempotency-Replayed"] == "true"
    )


def position(client: TestClient, library: str) -> int:
    found: int = client.get(library).json()["position"]
    return found


@pytest.mark.parametrize("name", WRITES)
def test_a_repeated_write_is_answered_as_the_first_was(client: TestClient, filled: str, name: str) -> None:
    method, path, body = WRITES[name]
    key = new_key()

    first = client.request(method, filled + path, json=body, headers=keyed(key))
    assert first.is_success, first.text
    before = None if name == "delete library" else position(client, filled)
    again = client.request(method, filled + path, json=body, headers=keyed(key))

    assert same(first, again), (first.headers, again.headers, again.text)
    assert before is None or position(client, filled) == before


@pytest.mark.parametrize("name", WRITES)
def test_a_key_belongs_to_one_request(client: TestClient, filled: str, name: str) -> None:
    method, path, body = WRITES[name]
    key = new_key()
    assert client.request(method, filled + path, json=body, headers=keyed(key)).is_success

    other = client.request(method, f"{filled}{path}?other=1", json=body, headers=keyed(key))

    assert_problem(other, 422, "idempotency-key-reused")


def test_another_body_under_the_same_key_is_refused(client: TestClient, filled: str) -> None:
    assert client.patch(f"{filled}/documents/d", json={"title": "a"}, headers=keyed("body")).is_success

    other = client.patch(f"{filled}/documents/d", json={"title": "b"}, headers=keyed("body"))

    assert_problem(other, 422, "idempotency-key-reused")
    assert client.get(f"{filled}/documents/d").json()["title"] == "a"


def test_libraries_have_keys_of_their_own(client: TestClient, filled: str) -> None:
    other = new_library(client, metric="l2", dimension=2)

    answers = [client.post(f"{where}/documents", json={}, headers=keyed("shared")) for where in (filled, other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert all("Idempotency-Replayed" not in answer.headers for answer in answers)


def test_a_repeated_creation_finds_the_library_it_made(client: TestClient) -> None:
    body, key = {"name": f"twice {next(NUMBERS)}", "dimension": 2}, new_key()

    first = client.post("/v1/libraries", json=body, headers=keyed(key))
    again = client.post("/v1/libraries", json=body, headers=keyed(key))
    otherwise = client.post("/v1/libraries", json=body, headers=keyed(new_key()))

    assert first.status_code == 201
    assert same(first, again)
    assert_problem(otherwise, 409, "library-exists")


def test_a_renaming_is_repeated_by_the_old_name(client: TestClient) -> None:
    old, new = (f"name {next(NUMBERS)}" for _ in range(2))
    new_library(client, name=old)
    key = new_key()

    first = client.patch(f"/v1/libraries/{old}", json={"name": new}, headers=keyed(key))
    again = client.patch(f"/v1/libraries/{old}", json={"name": new}, headers=keyed(key))

    assert first.json()["name"] == new
    assert same(first, again)


def test_a_refusal_is_not_kept(client: TestClient, library: str) -> None:
    late = keyed(new_key())
    refused = client.patch(f"{library}/documents/late", json={"title": "t"}, headers=late)
    put(client, library, "late")

    accepted = client.patch(f"{library}/documents/late", json={"title": "t"}, headers=late)

    assert_problem(refused, 404, "document-not-found")
    assert accepted.status_code == 200
    assert "Idempotency-Replayed" not in accepted.headers


@pytest.mark.parametrize(
    "name", ["create document", "documents", "create chunk", "index", "delete library", "update chunks"]
)
def test_equal_requests_at_the_same_time_are_one_write(client: TestClient, filled: str, name: str) -> None:
    method, path, body = WRITES[name]
    headers, before = keyed(new_key()), position(client, filled)

    def send(_: int) -> httpx2.Response:
        return client.request(method, filled + path, json=body, headers=headers)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(send, range(THREADS)))

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (answers[0].status_code, answers[0].content)
    }
    assert [("Idempotency-Replayed" in answer.headers) for answer in answers].count(False) == 1
    assert name == "delete library" or position(client, filled) == before + 1


def test_equal_creations_at_the_same_time_are_one(client: TestClient) -> None:
    body, headers = {"name": f"at once {next(NUMBERS)}"}, keyed(new_key())

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/libraries", json=body, headers=headers), range(THREADS)))

    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}


def test_keys_outlive_the_server(tmp_path: Path) -> None:
    sent = [("POST", "/v1/libraries", {"name": "kept", "dimension": 2})]
    sent += [("POST", "/v1/libraries/kept/documents", {"title": str(n)}) for n in range(3)]

    def answers(client: TestClient) -> list[httpx2.Response]:
        return [client.request(*what[:2], json=what[2], headers=keyed(str(n))) for n, what in enumerate(sent)]

    with serving(tmp_path / "data") as client:
        first = answers(client)
    with serving(tmp_path / "data") as client:
        again = answers(client)
        documents = client.get("/v1/libraries/kept").json()["documents"]

    assert all(map(same, first, again))
    assert documents == 3


def test_after_a_day_a_key_is_new(client: TestClient, filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = {"name": f"expired {next(NUMBERS)}"}, keyed(new_key())
    first = client.post(f"{filled}/documents", json={}, headers=headers).json()["id"]
    library = client.post("/v1/libraries", json=body, headers=headers).json()["id"]
    monkeypatch.setattr(replies, "KEPT_FOR", replies.KEPT_FOR * 0)

    again = client.post(f"{filled}/documents", json={}, headers=headers)

    assert again.status_code == 201
    assert again.json()["id"] != first
    client.delete(f"/v1/libraries/{library}")
    assert client.post("/v1/libraries", json=body, headers=headers).json()["id"] != library


def test_what_is_known_is_not_embedded_again(client: TestClient, texts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = {"text": "something to embed"}, keyed(new_key())
    first = client.post(f"{texts}/documents", json=body, headers=headers)
    monkeypatch.setattr(LocalEmbedder, "embed_documents", None)

    again = client.post(f"{texts}/documents", json=body, headers=headers)

    assert same(first, again)


def test_a_patch_of_what_is_gone_since_is_answered_as_before(client: TestClient, texts: str) -> None:
    put(client, texts, "d")
    headers, body = keyed(new_key()), {"text": "new"}
    first = client.patch(f"{texts}/documents/d", json=body, headers=headers)
    client.delete(f"{texts}/documents/d")

    assert same(first, client.patch(f"{texts}/documents/d", json=body, headers=headers))


def test_a_dry_run_keeps_nothing(client: TestClient, filled: str) -> None:
    headers = keyed(new_key())
    everything: dict[str, Any] = {"filter": {"and": []}}
    tried = client.post(f"{filled}/documents:delete", json={**everything, "dry_run": True}, headers=headers)

    done = client.post(f"{filled}/documents:delete", json=everything, headers=headers)

    assert tried.json()["deleted"] == 0
    assert done.json()["deleted"] == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\tb"])
def test_a_key_that_is_none_is_refused(client: TestClient, library: str, key: str) -> None:
    answer = client.post(f"{library}/documents", json={}, headers={b"Idempotency-Key": key.encode("latin-1")})

    assert assert_problem(answer, 422, "invalid-field")["field"] == "Idempotency-Key"


def test_two_keys_are_refused(client: TestClient, library: str) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    assert_problem(client.post(f"{library}/documents", json={}, headers=headers), 422, "invalid-field")


def test_the_longest_key_is_taken(client: TestClient, library: str) -> None:
    headers = keyed("~" * 255)

    first = client.post(f"{library}/documents", json={}, headers=headers)

    assert same(first, client.post(f"{library}/documents", json={}, headers=headers))


def test_a_long_reply_is_kept_small(client: TestClient, library: str) -> None:
    body = {"documents": [{"id": f"document {n}"} for n in range(500)]}
    headers = keyed(new_key())

    first = client.post(f"{library}/documents:batch", json=body, headers=headers)
    again = client.post(f"{library}/documents:batch", json=body, headers=headers)

    assert same(first, again)
    assert len(first.content) > COMPRESSED_FROM
    assert len(packed(unpacked(_kept(client, library, headers["Idempotency-Key"])))) < len(first.content) / 5


def _kept(client: TestClient, library: str, key: str) -> bytes:
    catalog = client.app.state.services.replies._catalog  # type: ignore[attr-defined]  # no other way to the rows
    with catalog.opened(catalog.resolve(library.rpartition("/")[2])) as live, live.reading() as rows:
        kept: bytes = rows.reply(key).reply
    return kept
