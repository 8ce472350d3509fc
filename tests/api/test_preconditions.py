"""Etags: which version an answer is of, and changes that are made only to the version they speak of."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from pergamum.wire.chunks import ChunkOut
from pergamum.wire.documents import DocumentOut
from pergamum.wire.libraries import LibraryOut
from tests.api.conftest import NUMBERS, assert_problem, chunk, new_library, put

THREADS, EACH = 6, 5
THINGS = ["", "/documents/d", "/chunks/c"]
CHANGE: dict[str, dict[str, Any]] = {
    "": {"description": "other"},
    "/documents/d": {"title": "other"},
    "/chunks/c": {"page_number": 7},
}
OUT: dict[str, type[LibraryOut | DocumentOut | ChunkOut]] = {
    "": LibraryOut,
    "/documents/d": DocumentOut,
    "/chunks/c": ChunkOut,
}


@pytest.fixture
def filled(client: TestClient, library: str) -> str:
    """The path of a library with a document `d` of one chunk `c`."""
    put(client, library, "d", chunk("c", 1, 2))
    return library


def etag(answer: httpx2.Response) -> str:
    assert answer.is_success, answer.text
    found: str = answer.headers["ETag"]
    return found


def if_match(value: str) -> dict[str, str]:
    return {"If-Match": value}


def replacement(client: TestClient, library: str, thing: str) -> dict[str, Any]:
    if thing:
        return chunk("c", 1, 2, document_id="d") if "chunks" in thing else {"chunks": [chunk("c", 1, 2)]}
    name: str = client.get(library).json()["name"]
    return {"name": name, "description": "replaced", "metric": "l2"}


@pytest.mark.parametrize("thing", THINGS)
def test_every_answer_of_one_thing_tells_its_etag(client: TestClient, filled: str, thing: str) -> None:
    read = client.get(filled + thing)
    changed = client.patch(filled + thing, json=CHANGE[thing])
    replaced = client.put(filled + thing, json=replacement(client, filled, thing))

    told = [etag(answer) for answer in (read, changed, replaced)]

    assert told == [f'"{OUT[thing].model_validate_json(each.content).etag}"' for each in (read, changed, replaced)]
    assert len(set(told)) == 3
    assert etag(client.get(filled + thing)) == told[-1]


def test_what_is_created_tells_its_etag(client: TestClient, filled: str) -> None:
    made = [
        client.post("/v1/libraries", json={"name": f"etag {next(NUMBERS)}"}),
        client.post(f"{filled}/documents", json={}),
        client.post(f"{filled}/chunks", json=chunk("new", 1, 2, document_id="d")),
    ]

    assert [etag(answer) for answer in made] == [etag(client.get(answer.headers["Location"])) for answer in made]


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_only_the_version_spoken_of_is_changed(client: TestClient, filled: str, thing: str, method: str) -> None:
    stale = etag(client.get(filled + thing))
    current = etag(client.patch(filled + thing, json=CHANGE[thing]))
    body = {"PATCH": CHANGE[thing], "PUT": replacement(client, filled, thing), "DELETE": None}[method]

    refused = client.request(method, filled + thing, json=body, headers=if_match(stale))
    before = etag(client.get(filled + thing))
    accepted = client.request(method, filled + thing, json=body, headers=if_match(f'"1-0", {current}'))

    problem = assert_problem(refused, 412, "precondition-failed")
    assert f'"{problem["etag"]}"' == current == before
    assert accepted.is_success, accepted.text


@pytest.mark.parametrize("thing", THINGS)
def test_a_star_stands_for_any_version(client: TestClient, filled: str, thing: str) -> None:
    assert client.patch(filled + thing, json=CHANGE[thing], headers=if_match("*")).is_success


def test_nothing_is_created_where_a_version_is_expected(client: TestClient, filled: str) -> None:
    for value in ("*", '"1-0"'):
        for thing, body in (("/documents/new", {}), ("/chunks/new", chunk("new", 1, 2, document_id="d"))):
            answer = client.put(filled + thing, json=body, headers=if_match(value))

            assert assert_problem(answer, 412, "precondition-failed")["etag"] is None
            assert client.get(filled + thing).status_code == 404


def test_what_is_not_there_is_not_found_whatever_is_expected(client: TestClient, filled: str) -> None:
    for thing in ("/documents/none", "/chunks/none"):
        for method, body in (("PATCH", {}), ("DELETE", None)):
            assert client.request(method, filled + thing, json=body, headers=if_match("*")).status_code == 404


@pytest.mark.parametrize("thing", THINGS)
def test_a_change_of_nothing_expects_its_version_too(client: TestClient, filled: str, thing: str) -> None:
    stale = etag(client.get(filled + thing))
    current = etag(client.patch(filled + thing, json=CHANGE[thing]))

    refused = client.patch(filled + thing, json={}, headers=if_match(stale))
    accepted = client.patch(filled + thing, json={}, headers=if_match(current))

    assert_problem(refused, 412, "precondition-failed")
    assert etag(accepted) == current


@pytest.mark.parametrize("thing", ["/documents/d", "/chunks/c"])
def test_what_is_made_again_is_another(client: TestClient, filled: str, thing: str) -> None:
    first = client.get(filled + thing)
    client.delete(filled + thing)
    put(client, filled, "d", chunk("c", 1, 2))

    again = client.get(filled + thing)

    assert first.json()["version"] == 1
    assert etag(again) != etag(first)
    assert_problem(client.delete(filled + thing, headers=if_match(etag(first))), 412, "precondition-failed")


def test_a_library_made_again_is_another(client: TestClient) -> None:
    name = f"again {next(NUMBERS)}"
    first = etag(client.get(new_library(client, name=name)))
    client.delete(f"/v1/libraries/{name}")
    new_library(client, name=name)

    answer = client.delete(f"/v1/libraries/{name}", headers=if_match(first))

    assert_problem(answer, 412, "precondition-failed")


def test_the_etag_of_a_library_is_of_its_settings(client: TestClient, library: str) -> None:
    before = etag(client.get(library))
    put(client, library, "d", chunk("c", 1, 2), metadata={"year": 3})

    assert etag(client.get(library)) == before
    assert etag(client.patch(library, json={"recall": 0.8})) != before


def test_a_chunk_changes_the_etag_of_its_document(client: TestClient, filled: str) -> None:
    before = etag(client.get(f"{filled}/documents/d"))

    client.patch(f"{filled}/chunks/c", json={"page_number": 2})

    assert etag(client.get(f"{filled}/documents/d")) != before


@pytest.mark.parametrize("thing", THINGS)
def test_no_increment_of_a_counter_is_lost(client: TestClient, filled: str, thing: str) -> None:
    """Each thread reads, adds one, and writes what it made if nobody else wrote since; else it begins again."""
    client.patch(filled + thing, json=counting(thing, 0))

    def increment(_: int) -> int:
        for tries in count(1):
            read = client.get(filled + thing)
            body = counting(thing, counted(thing, read) + 1)
            answer = client.patch(filled + thing, json=body, headers=if_match(etag(read)))
            if answer.status_code == 200:
                return tries
            assert_problem(answer, 412, "precondition-failed")
        raise AssertionError

    with ThreadPoolExecutor(THREADS) as pool:
        tries = list(pool.map(increment, range(THREADS * EACH)))

    assert len(tries) == THREADS * EACH
    assert counted(thing, client.get(filled + thing)) == THREADS * EACH


def counting(thing: str, number: int) -> dict[str, Any]:
    return {"metadata": {"count": number}} if thing else {"description": str(number)}


def counted(thing: str, answer: httpx2.Response) -> int:
    body = answer.json()
    return int(body["metadata"]["count"] if thing else body["description"])


def test_of_a_change_and_a_deletion_of_one_version_one_is_refused(client: TestClient) -> None:
    for _ in range(10):
        library = new_library(client, dimension=2)
        headers = if_match(etag(client.get(library)))
        with ThreadPoolExecutor(2) as pool:
            changed = pool.submit(client.patch, library, json={"recall": 0.5}, headers=headers)
            gone = pool.submit(client.delete, library, headers=headers)

        outcome = (changed.result().status_code, gone.result().status_code)

        assert outcome in {(200, 412), (404, 204)}
        assert client.get(library).status_code == (404 if outcome[1] == 204 else 200)


@pytest.mark.parametrize("thing", ["/documents/d", "/chunks/c"])
def test_what_the_client_has_seen_is_not_sent_again(client: TestClient, filled: str, thing: str) -> None:
    seen = etag(client.get(filled + thing))

    same = client.get(filled + thing, headers={"If-None-Match": f'"x", W/{seen}'})
    any_of_them = client.get(filled + thing, headers={"If-None-Match": "*"})
    client.patch(filled + thing, json=CHANGE[thing])
    other = client.get(filled + thing, headers={"If-None-Match": seen})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", seen)
    assert (any_of_them.status_code, other.status_code) == (304, 200)


@pytest.mark.parametrize("value", ["", "1-5f", '"1-5f', '"a" "b"', '"a",', 'W/"1-5f"', '"a", *', '"é"'])
def test_what_is_no_etag_is_refused(client: TestClient, filled: str, value: str) -> None:
    answer = client.patch(f"{filled}/documents/d", json={}, headers={b"If-Match": value.encode("latin-1")})

    assert assert_problem(answer, 422, "invalid-field")["field"] == "If-Match"


def test_several_headers_are_one_list(client: TestClient, filled: str) -> None:
    current = etag(client.get(f"{filled}/documents/d"))
    headers = [("If-Match", '"1-0"'), ("If-Match", current)]

    assert client.patch(f"{filled}/documents/d", json={"title": "t"}, headers=headers).is_success
