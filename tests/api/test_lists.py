"""Lists of documents and chunks: filtered, sorted, page by page, by GET and by POST."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import assert_problem, chunk, put
from tests.api.test_cursors import pages

NEW = {"field": "year", "op": "gte", "value": 1991}


@pytest.fixture
def books(client: TestClient, library: str) -> str:
    """Five documents d0..d4, the last without a year; d1 and d3 have two chunks, the others one."""
    for number in range(5):
        year = {"year": 1990 + number // 2} if number < 4 else {}
        chunks = [chunk(f"c{number}{at}", number, at, page_number=at) for at in range(1 + number % 2)]
        put(client, library, f"d{number}", *chunks, title=f"t{number % 2}", metadata=year | {"note": [1]})
    return library


def listed(client: TestClient, url: str, limit: int = 2, **params: str) -> list[str]:
    """The ids of all pages, each of them full but the last."""
    found = pages(client, url, limit, **params)
    assert all(len(page) == limit for page in found[:-1])
    return [one["id"] for page in found for one in page]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_filter_lists_what_it_holds_for_by_id(client: TestClient, books: str, limit: int) -> None:
    assert listed(client, f"{books}/documents", limit, filter=json.dumps(NEW)) == ["d2", "d3"]
    assert listed(client, f"{books}/chunks", limit, filter=json.dumps(NEW)) == ["c20", "c30", "c31"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("year", ["d0", "d1", "d2", "d3", "d4"]),
        ("-year", ["d2", "d3", "d0", "d1", "d4"]),
        ("-title", ["d1", "d3", "d0", "d2", "d4"]),
        ("id", ["d0", "d1", "d2", "d3", "d4"]),
        ("-id", ["d4", "d3", "d2", "d1", "d0"]),
        ("-document.chunks", ["d1", "d3", "d0", "d2", "d4"]),
        ("-metadata.year", ["d2", "d3", "d0", "d1", "d4"]),
    ],
)
def test_documents_are_sorted_and_those_without_a_value_come_last(
    client: TestClient, books: str, order: str, expected: list[str], limit: int
) -> None:
    assert listed(client, f"{books}/documents", limit, order_by=order) == expected


@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("-page_number", ["c11", "c31", "c00", "c10", "c20", "c30", "c40"]),
        ("-year", ["c20", "c30", "c31", "c00", "c10", "c11", "c40"]),
        ("-document_id", ["c40", "c30", "c31", "c20", "c10", "c11", "c00"]),
        ("-id", ["c40", "c31", "c30", "c20", "c11", "c10", "c00"]),
    ],
)
def test_chunks_are_sorted_by_fields_of_their_own_and_of_their_documents(
    client: TestClient, books: str, order: str, expected: list[str], limit: int
) -> None:
    assert listed(client, f"{books}/chunks", limit, order_by=order) == expected


def test_a_filter_and_an_order_go_together(client: TestClient, books: str) -> None:
    tree = json.dumps({"field": "document.title", "op": "eq", "value": "t1"})

    assert listed(client, f"{books}/chunks", 2, filter=tree, order_by="-id") == ["c31", "c30", "c11", "c10"]


def test_a_body_lists_what_a_query_does(client: TestClient, books: str) -> None:
    asked = {"filter": {"or": [NEW] * 900}, "order_by": "-year", "limit": 1}

    first = client.post(f"{books}/documents:query", json={**asked, "include": "text"}).json()
    second = client.post(f"{books}/documents:query", json={**asked, "cursor": first["next_cursor"]}).json()
    chunks = client.post(f"{books}/chunks:query", json={"limit": 1, "include": "embedding"}).json()

    assert [one["id"] for one in first["items"] + second["items"]] == ["d2", "d3"]
    assert second["next_cursor"] is None
    assert ("text" in first["items"][0], "text" in second["items"][0]) == (True, False)
    assert (chunks["items"][0]["id"], chunks["items"][0]["embedding"]) == ("c00", [0.0, 0.0])
    assert client.get(f"{books}/chunks", params={"cursor": chunks["next_cursor"]}).json()["items"][0]["id"] == "c10"


def test_a_cursor_remembers_filter_and_order(client: TestClient, books: str) -> None:
    url, params = f"{books}/documents", {"filter": json.dumps(NEW), "order_by": "year", "limit": "1"}
    cursor = client.get(url, params=params).json()["next_cursor"]

    others: list[dict[str, str]] = [
        {"order_by": "-year"},
        {"order_by": "title"},
        {"filter": json.dumps({**NEW, "value": 1992})},
    ]
    for other in others:
        assert_problem(client.get(url, params={**params, **other, "cursor": cursor}), 422, "invalid-cursor")
    for bare in ({"cursor": cursor}, {"cursor": cursor, "order_by": "year"}):
        assert_problem(client.get(url, params=bare), 422, "invalid-cursor")
    spaced = {**params, "filter": json.dumps(NEW, indent=2), "cursor": cursor}
    assert [one["id"] for one in client.get(url, params=spaced).json()["items"]] == ["d3"]


@pytest.mark.parametrize(
    ("params", "slug", "facts"),
    [
        ({"filter": "{"}, "invalid-filter", {"field": "filter"}),
        ({"filter": "[]"}, "invalid-filter", {"field": "filter"}),
        ({"filter": "{}"}, "invalid-filter", {"field": "filter"}),
        ({"filter": "null"}, "invalid-filter", {"field": "filter"}),
        ({"filter": json.dumps({**NEW, "field": "yaer"})}, "unknown-field", {"field": "yaer", "nearest": "year"}),
        ({"filter": json.dumps({**NEW, "value": "x"})}, "invalid-filter", {"field": "filter.value"}),
        ({"order_by": "yaer"}, "unknown-field", {"field": "yaer", "nearest": "year"}),
        ({"order_by": "-titel"}, "unknown-field", {"field": "titel", "nearest": "title"}),
        ({"order_by": "tags"}, "invalid-field", {"field": "order_by"}),
        ({"order_by": "note"}, "invalid-field", {"field": "order_by"}),
        ({"order_by": "-"}, "unknown-field", {"field": ""}),
        ({"order_by": ""}, "invalid-request", {}),
    ],
)
def test_what_no_list_can_be_made_by_is_refused(
    client: TestClient, books: str, params: dict[str, str], slug: str, facts: dict[str, Any]
) -> None:
    problem = assert_problem(client.get(f"{books}/documents", params=params), 422, slug)

    assert problem | facts == problem


@pytest.mark.parametrize("order", ["text", "chunk.text"])
def test_chunks_have_no_order_by_their_text(client: TestClient, books: str, order: str) -> None:
    assert_problem(client.get(f"{books}/chunks", params={"order_by": order}), 422, "invalid-field")


def test_chunks_of_one_document_take_neither_filter_nor_order(client: TestClient, books: str) -> None:
    for extra in ({"order_by": "id"}, {"filter": json.dumps(NEW)}):
        answer = client.get(f"{books}/chunks", params={"document_id": "d1", **extra})
        assert assert_problem(answer, 422, "invalid-field")["field"] == "document_id"


@pytest.mark.parametrize(
    "body", [{"limit": 0}, {"limit": 1001}, {"filter": []}, {"order_by": 3}, {"include": "chunks"}]
)
def test_a_body_that_breaks_a_rule_is_refused(client: TestClient, books: str, body: dict[str, Any]) -> None:
    assert client.post(f"{books}/documents:query", json=body).status_code == 422


def test_strings_are_sorted_by_their_beginning(client: TestClient, library: str) -> None:
    for number, tail in enumerate("ba"):
        put(client, library, f"d{number}", source_url="é" * 1_000 + tail)
    put(client, library, "first", source_url="é" * 400)

    assert listed(client, f"{library}/documents", 1, order_by="source_url") == ["d0", "d1", "first"]
    assert listed(client, f"{library}/documents", 1, order_by="-source_url") == ["d0", "d1", "first"]


def test_a_list_goes_on_behind_a_document_that_is_gone(client: TestClient, books: str) -> None:
    url, params = f"{books}/documents", {"order_by": "-year", "limit": "2"}
    cursor = client.get(url, params=params).json()["next_cursor"]
    client.delete(f"{url}/d3")
    put(client, books, "new", metadata={"year": 1990})

    rest = client.get(url, params={**params, "limit": "9", "cursor": cursor}).json()["items"]

    assert [one["id"] for one in rest] == ["d0", "d1", "new", "d4"]
