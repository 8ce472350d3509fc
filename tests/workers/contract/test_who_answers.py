"""What a process answers that only reads, and what it carries to the writer."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.api.conftest import chunk, new_library, put
from tests.workers.beside import Beside, reading_beside

FILTER = {"field": "n", "op": "eq", "value": 1}


@pytest.fixture
def stored(beside: Beside) -> str:
    """A library of two chunks that has been opened for reading."""
    library = new_library(beside.client, embedding_model="local", metric="cosine")
    put(beside.client, library, "d", {"id": "a", "text": "moon", "metadata": {"n": 1}}, {"id": "b", "text": "sea"})
    return library


@pytest.mark.parametrize(
    "asked",
    [
        {"text": "the moon"},
        {"text": "the moon", "mode": "keyword"},
        {"text": "the moon", "mode": "hybrid"},
        {"text": "the moon", "group_by": "document"},
        {"like": {"chunks": ["a"]}},
    ],
)
def test_searches_of_every_kind_are_answered_here(beside: Beside, stored: str, asked: dict[str, Any]) -> None:
    carried = len(beside.calls.carried)
    answer = beside.client.post(f"{stored}/search", json=asked)
    batch = beside.client.post(f"{stored}/search:batch", json={"queries": [asked]})

    assert (answer.status_code, batch.status_code) == (200, 200), answer.text
    assert beside.calls.carried[carried:] == []


def test_a_filter_is_answered_here_once_what_it_needs_was_read(beside: Beside, stored: str) -> None:
    asked = {"text": "moon", "filter": FILTER}
    for _ in range(500):
        carried = len(beside.calls.carried)
        answer = beside.client.post(f"{stored}/search", json=asked).json()
        assert [hit["chunk_id"] for hit in answer["hits"]] == ["a"]
        if len(beside.calls.carried) == carried:
            return
    raise AssertionError("the filter is carried to the writer for good")


@pytest.mark.parametrize(
    "body", ['{"text": "moon", "page": true}', '{"cursor": "x"}', '{"text": "a", "p\\u0061ge": true}']
)
def test_pages_are_the_writers(beside: Beside, stored: str, body: str) -> None:
    carried = len(beside.calls.carried)
    beside.client.post(f"{stored}/search", content=body, headers={"content-type": "application/json"})

    assert beside.calls.carried[carried:] == [f"{stored}/search"]


def test_a_damaged_row_is_left_out_and_counted_by_the_writer(tmp_path: Path) -> None:
    with reading_beside(tmp_path) as beside:
        library = new_library(beside.client, metric="l2", dimension=2)
        put(beside.client, library, "d", chunk("a", 0, 0), chunk("b", 1, 0))
        (path,) = tmp_path.rglob("library.db")
        with apsw.Connection(str(path)) as rows:
            rows.execute("UPDATE chunks SET text = 'z' WHERE id = 'a'")

        for _ in range(2):
            answer = beside.client.post(f"{library}/search", json={"vector": [0, 0]}).json()
            assert ([hit["chunk_id"] for hit in answer["hits"]], answer["complete"]) == (["b"], False)
        assert beside.client.get("/readyz").json()["damaged_chunks"] == 1


def test_nothing_is_done_for_a_page_before_the_writer_is_asked(
    beside: Beside, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be counted twice, and providers paid twice. The body is too long to be seen through at first."""
    beside.figures.taken()
    body = b'{"text": "moon", "mode": "hybrid", %s"p\\u0061ge": true}' % (b" " * 300_000)

    answer = beside.client.post(f"{stored}/search", content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, len(answer.json()["hits"])) == (200, 2)
    assert beside.figures.taken() == {"requests": [], "seconds": [], "searches": []}


def test_searches_are_counted_where_they_are_answered(beside: Beside, stored: str) -> None:
    beside.figures.taken()
    for _ in range(3):
        beside.client.post(f"{stored}/search", json={"text": "moon"})
    beside.client.get(stored)
    figures = beside.figures.taken()

    assert sum(count for _, count in figures["searches"]) == 3
    assert [(method, status, count) for method, _, status, count in figures["requests"]] == [("POST", 200, 3)]
