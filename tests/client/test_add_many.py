"""Storing many things: against a server that is simulated, so that it is as small, busy or full as a test likes."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Literal

import httpx
import pytest

from pergamum.client import (
    Conflict,
    Invalid,
    Library,
    NotFound,
    StorageFull,
    Stored,
    TooLarge,
    Unavailable,
    Unsendable,
)
from pergamum.client.batching import Wishes
from tests.support.simulated_server import Json, Server, documents, library, problem


def test_all_are_stored_in_order_when_one_batch_goes_at_a_time() -> None:
    server = Server()

    stored = library(server).documents.add_many(documents(1_000), concurrency=1)

    assert [id for batch in server.batches for id in batch] == [f"d{place}" for place in range(1_000)]
    assert (stored.created, stored.done, stored.failed, stored.refused) == (1_000, 1_000, (), 0)
    assert len({*server.keys}) == len(server.batches)


def test_a_batch_size_that_was_asked_for_is_kept() -> None:
    server = Server()

    library(server).documents.add_many(documents(25), batch_size=10)

    assert sorted(map(len, server.batches)) == [5, 10, 10]


def test_a_batch_is_sent_before_more_than_it_holds_is_read() -> None:
    """An endless source is read no further than one batch beyond those under way."""
    server, read = Server(), 0

    def endless() -> Iterator[Json]:
        nonlocal read
        for read in count(1):
            most = sum(map(len, server.batches)) + (3 + 1) * 10
            assert read <= most
            yield {"id": str(read)}
            if read == 500:
                return

    library(server).documents.add_many(endless(), batch_size=10, concurrency=3)

    assert len(server.stored) == 500


@pytest.mark.parametrize("most", [1, 7])
def test_what_is_too_large_is_sent_in_smaller_batches(most: int) -> None:
    server = Server(lambda ids, _: problem(413, "too-large") if len(ids) > most else None)

    stored = library(server).documents.add_many(documents(100))

    assert stored.created == len(server.stored) == 100
    assert len(server.batches) < 300


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_an_item_that_alone_is_too_large_is_a_failure_of_that_item(on_error: Literal["raise", "collect"]) -> None:
    server = Server(lambda ids, _: problem(413, "too-large") if "d5" in ids else None)
    books = library(server)

    if on_error == "raise":
        with pytest.raises(TooLarge) as caught:
            books.documents.add_many(documents(10), on_error="raise")
        assert caught.value.stored is not None
        assert caught.value.stored.done == 5
        assert sorted(server.stored) == ["d0", "d1", "d2", "d3", "d4"]
        assert caught.value.__notes__[0] == "item 5, id 'd5'"
        return
    stored = books.documents.add_many(documents(10), on_error="collect")
    assert [(failed.place, failed.id, type(failed.error)) for failed in stored.failed] == [(5, "d5", TooLarge)]
    assert set(server.stored) == {f"d{place}" for place in range(10) if place != 5}
    assert (stored.created, stored.refused, stored.done) == (9, 1, 10)


NAMED: dict[str, Callable[[int], httpx.Response]] = {
    "shape": lambda place: problem(422, "invalid-request", errors=[{"field": f"body.documents.{place}.title"}]),
    "fact": lambda place: problem(409, "document-exists", document=place),
    "nobody": lambda _place: problem(422, "strange"),
}


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("wrong", [{"d3"}, {f"d{place}" for place in range(0, 60, 7)}, {f"d{n}" for n in range(60)}])
def test_the_fine_items_of_a_refused_batch_are_stored(named: str, wrong: set[str]) -> None:
    def refuse(ids: list[str], _: httpx.Request) -> httpx.Response | None:
        place = next((place for place, id in enumerate(ids) if id in wrong), None)
        return None if place is None else NAMED[named](place)

    server = Server(refuse)

    stored = library(server).documents.add_many(documents(60), on_error="collect")

    assert {failed.id for failed in stored.failed} == wrong
    assert [failed.place for failed in stored.failed] == sorted(int(id[1:]) for id in wrong)
    assert set(server.stored) == {f"d{place}" for place in range(60)} - wrong
    assert all(failed.error.__traceback__ is None for failed in stored.failed)
    assert stored.done == 60
    assert len(server.batches) <= 2 * 60


@pytest.mark.parametrize("on_error", ["raise", "collect"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [(problem(404, "library-not-found"), NotFound), (problem(507, "storage-full"), StorageFull)],
)
def test_what_is_not_the_fault_of_items_ends_it(
    on_error: Literal["raise", "collect"], answer: httpx.Response, kind: type[Exception]
) -> None:
    server = Server(lambda ids, _: answer if "d30" in ids else None)

    with pytest.raises(kind) as caught:
        library(server).documents.add_many(documents(100), batch_size=10, concurrency=1, on_error=on_error)

    assert caught.value.stored.done == len(server.stored) == 30  # type: ignore[attr-defined]
    assert len(server.batches) == 4


def test_an_item_that_cannot_be_written_is_named_or_left_out() -> None:
    wrong: list[Json] = [{"id": "a"}, {"id": "b", "metadata": {"x": float("nan")}}, {"id": "c", "title": object()}]
    server = Server()

    with pytest.raises(Unsendable, match="document 1, id 'b'") as caught:
        library(server).documents.add_many(wrong)
    stored = library(server).documents.add_many(wrong, on_error="collect")

    assert caught.value.stored is not None
    assert caught.value.stored.done == 0
    assert [failed[:2] for failed in stored.failed] == [(1, "b"), (2, "c")]
    assert (stored.created, stored.done) == (1, 3)


def test_a_busy_server_is_asked_again_with_the_same_key_and_less_at_once() -> None:
    busy = Counter[str]()

    def refuse(ids: list[str], request: httpx.Request) -> httpx.Response | None:
        busy[ids[0]] += 1
        return problem(503, "too-many-writes") if busy[ids[0]] <= 4 else None

    server = Server(refuse)

    stored = library(server).documents.add_many(documents(100), batch_size=50)

    assert stored.created == 100
    assert len(set(server.keys)) == 2
    assert len(server.keys) == 10


def test_a_server_that_stays_busy_ends_it() -> None:
    server = Server(lambda _ids, _: problem(429, "rate-limited"))

    with pytest.raises(Unavailable) as caught:
        library(server).documents.add_many(documents(10), concurrency=1)

    assert caught.value.stored == Stored()


def test_what_was_cut_short_is_resumed_without_storing_anything_twice() -> None:
    """Items without ids are given the same ones again, and what was stored beyond the gap is not there twice."""
    items = [{"title": str(place)} for place in range(100)]
    full = True

    def refuse(ids: list[str], _: httpx.Request) -> httpx.Response | None:
        return problem(507, "storage-full") if full and ids[0].endswith("1e") else None

    server = Server(refuse)
    books = library(server)
    with pytest.raises(StorageFull) as caught:
        books.documents.add_many(items, batch_size=10, concurrency=4)
    cut = caught.value.stored
    assert cut is not None
    assert cut.done == 30
    assert len(server.stored) >= 30
    full = False

    stored = books.documents.add_many(items, batch_size=10, skip=cut)

    assert stored.done == 100
    assert [document["title"] for _, document in sorted(server.stored.items())] == [str(n) for n in range(100)]


def test_so_many_leading_items_are_skipped() -> None:
    server = Server()

    stored = library(server).documents.add_many(documents(10), skip=7)

    assert sorted(server.stored) == ["d7", "d8", "d9"]
    assert (stored.done, stored.created) == (10, 3)


@pytest.mark.parametrize("concurrency", [1, 4, "auto"])
@pytest.mark.parametrize("ids", [3, 7])
def test_an_id_that_comes_twice_ends_as_the_later_one(concurrency: int | Literal["auto"], ids: int) -> None:
    """The server puts every third batch off, so that batches which may overtake each other do."""
    turns = count()
    server = Server(lambda _ids, _: problem(503, "wait") if next(turns) % 3 == 0 else None)
    items = [{"id": f"d{place % ids}", "title": str(place)} for place in range(60)]

    library(server).documents.add_many(items, batch_size=5, concurrency=concurrency)

    assert {id: document["title"] for id, document in server.stored.items()} == {
        f"d{place % ids}": str(place) for place in range(60)
    }
    assert all(len(set(batch)) == len(batch) for batch in server.batches)


def test_an_error_of_the_source_is_raised_when_the_batches_under_way_have_ended() -> None:
    server = Server()

    def source() -> Iterator[Json]:
        yield from documents(25)
        raise KeyError("the file is broken")

    with pytest.raises(KeyError) as caught:
        library(server).documents.add_many(source(), batch_size=10)

    assert len(server.stored) == 20
    assert "skip=20" in caught.value.__notes__[-1]


@pytest.mark.parametrize(
    "wishes",
    [{"batch_size": 0}, {"concurrency": 0}, {"on_error": "ignore"}, {"skip": -1}],
)
def test_what_cannot_be_wished_is_named(wishes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wishes))):
        Wishes(**wishes)


def test_nothing_is_stored_twice_and_the_reasons_come_from_the_real_server(vectors: Library) -> None:
    def chunk(place: int) -> Json:
        return {"id": f"c{place}", "text": "x", "embedding": [1, 2, 3] if place % 9 == 0 else [1, 2]}

    items: list[Json] = [{"id": f"d{place}", "chunks": [chunk(place)]} for place in range(30)]

    stored = vectors.documents.add_many(items, on_error="collect")
    again = vectors.documents.add_many(items, mode="create", on_error="collect", batch_size=15)

    assert [failed.place for failed in stored.failed] == list(range(0, 30, 9))
    assert {type(failed.error) for failed in stored.failed} == {Invalid}
    assert {type(failed.error) for failed in again.failed} == {Invalid, Conflict}
    assert vectors.count() == stored.created == 30 - stored.refused
    assert again.refused == 30


def test_chunks_of_documents_that_do_not_exist_are_left_out(vectors: Library) -> None:
    vectors.documents.add(id="there")
    items: list[Json] = [
        {"id": f"c{place}", "document_id": "there" if place % 5 else "nowhere", "text": "x", "embedding": [1, 2]}
        for place in range(30)
    ]

    stored = vectors.chunks.add_many(items, on_error="collect")

    assert [failed.place for failed in stored.failed] == list(range(0, 30, 5))
    assert vectors.count() == stored.created == 24
