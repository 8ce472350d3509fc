import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pergamum.api.cursors import cursor_after, read_cursor
from pergamum.errors import InvalidCursor
from tests.api.conftest import assert_problem, chunk, put, serving


def pages(client: TestClient, url: str, limit: int, **params: str) -> list[list[dict[str, Any]]]:
    """Follow a list to its end."""
    found = []
    asked: dict[str, str | int] = {"limit": limit, **params}
    while True:
        page = client.get(url, params=asked).json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        asked["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_documents_and_chunks_are_listed_once_each_in_order(client: TestClient, library: str, limit: int) -> None:
    ids = ["a/b", "b", "z", "é", "😀"]
    for number, id in enumerate(reversed(ids)):
        put(client, library, f"d{number}", chunk(id, 1, 1))

    documents = pages(client, f"{library}/documents", limit)
    chunks = pages(client, f"{library}/chunks", limit)

    assert [one["id"] for page in documents for one in page] == ["d0", "d1", "d2", "d3", "d4"]
    assert [one["id"] for page in chunks for one in page] == ids
    assert all(len(page) == limit for page in chunks[:-1])
    assert chunks[-1]


def test_chunks_of_a_document_are_listed_by_index(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("z", 1, 1), chunk("a", 1, 1), chunk("m", 1, 1))
    put(client, library, "other", chunk("b", 1, 1))

    for found in (
        pages(client, f"{library}/chunks", 2, document_id="d"),
        pages(client, f"{library}/documents/d/chunks", 2),
    ):
        assert [[one["id"] for one in page] for page in found] == [["z", "a"], ["m"]]
    assert_problem(client.get(f"{library}/documents/nobody/chunks"), 404, "document-not-found")


def test_libraries_are_listed_by_name(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as client:
        for name in ("c", "a", "b"):
            client.post("/v1/libraries", json={"name": name})

        found = pages(client, "/v1/libraries", 2)

    assert [[one["name"] for one in page] for page in found] == [["a", "b"], ["c"]]


def test_a_list_goes_on_where_it_was_although_items_go(client: TestClient, library: str) -> None:
    for id in "abcd":
        put(client, library, id)
    cursor = client.get(f"{library}/documents", params={"limit": 2}).json()["next_cursor"]

    client.delete(f"{library}/documents/b")
    client.delete(f"{library}/documents/c")

    rest = client.get(f"{library}/documents", params={"limit": 2, "cursor": cursor}).json()
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == (["d"], None)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", "9" * 40, ""])
def test_a_limit_out_of_bounds_is_refused(client: TestClient, library: str, limit: str) -> None:
    answer = client.get(f"{library}/documents", params={"limit": limit})

    assert answer.status_code == 422


def test_a_cursor_is_good_for_its_own_list_only(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("a", 1, 1), chunk("b", 1, 1))
    put(client, library, "e")
    cursor = client.get(f"{library}/documents", params={"limit": 1}).json()["next_cursor"]

    for url in (f"{library}/chunks", f"{library}/documents/d/chunks", "/v1/libraries"):
        assert_problem(client.get(url, params={"cursor": cursor}), 422, "invalid-cursor")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_says_where_to_go_on(last: str) -> None:
    assert read_cursor(cursor_after(last, "list", "x"), str, "list", "x") == last


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 400), st.integers(1, 255))
def test_a_tampered_cursor_is_refused(last: str, at: int, flip: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(padded(cursor_after(last, "list"))))
    raw[at % len(raw)] ^= flip

    with pytest.raises(InvalidCursor):
        read_cursor(base64.urlsafe_b64encode(raw).decode(), str, "list")


@pytest.mark.parametrize("cursor", ["", "AAAA", "é", "!", "e30", "NQ", "bnVsbA", "A" * 4_096, "A" * 4_097])
def test_a_made_up_cursor_is_no_server_error(client: TestClient, library: str, cursor: str) -> None:
    assert client.get(f"{library}/documents", params={"cursor": cursor}).status_code == 422


def padded(cursor: str) -> str:
    return cursor + "=" * (-len(cursor) % 4)
