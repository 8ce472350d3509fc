"""Leafing through an answer: it stays as it was, whatever is written; cursors that lead nowhere say so."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pergamum.api.cursors import cursor_after
from tests.api.conftest import assert_problem, chunk, new_library, put, serving

CHUNKS = 60


def filled(client: TestClient, library: str) -> None:
    for document in range(6):
        put(client, library, f"d{document}", *(chunk(f"{n}", n, 0) for n in range(document, CHUNKS, 6)))


def search(client: TestClient, library: str, ask: Mapping[str, Any]) -> dict[str, Any]:
    answer = client.post(f"{library}/search", json=ask)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_pages_stay_as_they_were_while_others_write_and_delete(client: TestClient, library: str) -> None:
    filled(client, library)
    stop = threading.Event()

    def disturb() -> None:
        for number in range(CHUNKS):
            if stop.is_set():
                return
            client.delete(f"{library}/chunks/{number}")
            put(client, library, "new", chunk(f"new {number}", number, 0))

    expected = search(client, library, {"vector": [0, 0], "k": CHUNKS})["hits"]
    writer = threading.Thread(target=disturb)
    first = search(client, library, {"vector": [0, 0], "k": 7, "page": True})
    writer.start()
    pages = [first]
    while pages[-1]["next_cursor"] is not None:
        pages.append(search(client, library, {"cursor": pages[-1]["next_cursor"]}))
    stop.set()
    writer.join()

    assert [hit for page in pages for hit in page["hits"]] == expected
    assert {page["position"] for page in pages} == {6}


def test_the_same_cursor_leads_to_the_same_page(client: TestClient, library: str) -> None:
    filled(client, library)
    cursor = search(client, library, {"vector": [0, 0], "k": 7, "page": True})["next_cursor"]

    assert search(client, library, {"cursor": cursor}) == search(client, library, {"cursor": cursor})


def test_a_page_that_holds_everything_has_nothing_behind_it(client: TestClient, library: str) -> None:
    filled(client, library)

    found = search(client, library, {"vector": [0, 0], "k": CHUNKS, "page": True})

    assert (len(found["hits"]), found["next_cursor"]) == (CHUNKS, None)
    assert "next_cursor" not in search(client, library, {"vector": [0, 0], "k": 1})


def test_only_the_first_page_is_explained(client: TestClient, library: str) -> None:
    filled(client, library)

    first = search(client, library, {"vector": [0, 0], "page": True, "explain": True})

    assert first["explain"]["plan"]["strategy"] == "exact_scan"
    assert "explain" not in search(client, library, {"cursor": first["next_cursor"]})


def test_cursors_may_be_used_in_a_batch(client: TestClient, library: str) -> None:
    filled(client, library)
    cursor = search(client, library, {"vector": [0, 0], "k": 7, "page": True})["next_cursor"]
    expected = search(client, library, {"cursor": cursor})

    answer = client.post(f"{library}/search:batch", json={"queries": [{"vector": [0, 0]}, {"cursor": cursor}]})

    assert answer.json()["answers"][1] == expected


def test_a_cursor_of_an_answer_that_is_not_kept_is_gone(client: TestClient, library: str) -> None:
    filled(client, library)
    cursor = search(client, library, {"vector": [0, 0], "k": 7, "page": True})["next_cursor"]

    elsewhere = client.post(f"{new_library(client, dimension=2)}/search", json={"cursor": cursor})
    unknown = client.post(f"{library}/search", json={"cursor": cursor_after("unknown.7", "search")})

    assert_problem(elsewhere, 410, "cursor-expired")
    assert_problem(unknown, 410, "cursor-expired")
    queries = {"queries": [{"vector": [0, 0]}, {"cursor": cursor_after("unknown.7", "search")}]}
    assert assert_problem(client.post(f"{library}/search:batch", json=queries), 410, "cursor-expired")["query"] == 1


@pytest.mark.parametrize("cursor", ["", "abc", "é", cursor_after("unknown.7", "chunks"), cursor_after(7, "search")])
def test_a_cursor_that_was_not_made_here_is_refused(client: TestClient, library: str, cursor: str) -> None:
    assert_problem(client.post(f"{library}/search", json={"cursor": cursor}), 422, "invalid-cursor")


def test_answers_make_room_for_later_ones(tmp_path: Path) -> None:
    with serving(tmp_path / "data", search_pages_bytes=1 << 20) as client:
        library = new_library(client, metric="l2", dimension=2)
        put(client, library, "d", *(chunk(f"{n}", n, 0, text="x" * 40_000) for n in range(20)))
        ask = {"vector": [0, 0], "k": 7, "page": True, "select": []}
        cursors = [search(client, library, ask)["next_cursor"] for _ in range(2)]

        first, last = (client.post(f"{library}/search", json={"cursor": cursor}) for cursor in cursors)

        assert_problem(first, 410, "cursor-expired")
        assert [hit["chunk_id"] for hit in last.json()["hits"]] == [f"{n}" for n in range(7, 14)]
        put(client, library, "e", *(chunk(f"e{n}", n, 0, text="x" * 40_000) for n in range(20)))
        assert_problem(client.post(f"{library}/search", json=ask), 413, "too-large")
