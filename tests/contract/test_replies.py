"""What every storage keeps of replies, in libraries and in the catalogue, and what the engine makes of keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.commands import DeleteDocument, Outcome, PutDocuments, WriteMode
from pergamum.domain.replies import KEPT_FOR, Keep, KeptReply, Key
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import AnsweredBefore, DocumentExists, IdempotencyKeyReused, LibraryExists
from pergamum.storage.base import LibraryStore, Storage, UnitOfWork
from pergamum.storage.memory.library_store import MemoryLibraryStore
from tests.support.library import NOW as THEN
from tests.support.library import a_library, put
from tests.support.storage import NOW

REQUEST, OTHER = "0" * 64, "f" * 64
MANY = 100


class Keeper(Protocol):
    def reply(self, key: str) -> KeptReply | None: ...

    def keep_reply(self, kept: KeptReply) -> None: ...


class InLibrary:
    """Each reply is kept by a transaction of its own, as the catalogue does."""

    def __init__(self, store: LibraryStore) -> None:
        self._store = store

    def reply(self, key: str) -> KeptReply | None:
        with self._store.reading() as rows:
            return rows.reply(key)

    def keep_reply(self, kept: KeptReply) -> None:
        with self._store.writing() as work:
            work.rows.keep_reply(kept)
            work.commit()


@pytest.fixture(params=["library", "catalogue"])
def keeper(request: pytest.FixtureRequest, storage: Storage, store: LibraryStore) -> Keeper:
    return InLibrary(store) if request.param == "library" else storage.catalog


def kept(key: str, at: datetime = NOW, reply: bytes = b"reply") -> KeptReply:
    return KeptReply(Key(key, REQUEST), at, reply)


@pytest.mark.parametrize("reply", [b"", b"\x00\xff", b"x" * 300_000], ids=len)
def test_a_reply_comes_back(keeper: Keeper, reply: bytes) -> None:
    keeper.keep_reply(kept("key", reply=reply))

    assert keeper.reply("key") == kept("key", reply=reply)
    assert keeper.reply("other") is None


def test_the_last_of_two_under_one_key_counts(keeper: Keeper) -> None:
    keeper.keep_reply(kept("key"))
    keeper.keep_reply(kept("key", NOW + KEPT_FOR, b"second"))

    assert keeper.reply("key") == kept("key", NOW + KEPT_FOR, b"second")


def test_old_ones_are_forgotten_and_no_others(keeper: Keeper) -> None:
    old = [f"old {n}" for n in range(MANY)]
    new = [f"new {n}" for n in range(MANY)]
    for key in old:
        keeper.keep_reply(kept(key))
    for key in new:
        keeper.keep_reply(kept(key, NOW + KEPT_FOR))

    assert [key for key in old if keeper.reply(key)] == []
    assert all(map(keeper.reply, new))


def test_what_is_good_is_not_forgotten(keeper: Keeper) -> None:
    keys = [f"key {n}" for n in range(MANY)]
    for key in keys:
        keeper.keep_reply(kept(key))
    for n in range(MANY):
        keeper.keep_reply(kept(f"later {n}", NOW + KEPT_FOR - timedelta(microseconds=1)))

    assert all(map(keeper.reply, keys))


def test_a_reply_goes_with_what_is_rolled_back(store: LibraryStore) -> None:
    with store.writing() as work:
        work.rows.keep_reply(kept("first"))
        with pytest.raises(ZeroDivisionError):
            _keep_and_fail(work, "second")
        work.commit()
    with store.writing() as work:
        work.rows.keep_reply(kept("third"))

    with store.reading() as rows:
        assert rows.reply("first") == kept("first")
        assert (rows.reply("second"), rows.reply("third")) == (None, None)


def test_the_catalogue_keeps_a_reply_with_what_it_answers(storage: Storage) -> None:
    library_id = uuid4()
    storage.catalog.add(library_id, "name", NOW, kept("made"))
    with pytest.raises(LibraryExists):
        storage.catalog.add(uuid4(), "name", NOW, kept("refused"))
    storage.catalog.remove(library_id, kept("gone"))

    found = [storage.catalog.reply(key) for key in ("made", "refused", "gone")]

    assert found == [kept("made"), None, kept("gone")]


def _keep_and_fail(work: UnitOfWork, key: str) -> None:
    with work.savepoint():
        work.rows.keep_reply(kept(key))
        raise ZeroDivisionError


# What a library makes of keys ---------------------------------------------------------------------------------------


@contextmanager
def opened(store: LibraryStore) -> Iterator[tuple[LiveLibrary, list[float]]]:
    flushes: list[float] = []
    yield LiveLibrary(store, flushes.append), flushes


def keep(name: str, request: str = REQUEST) -> Keep:
    return Keep(Key(name, request), _told)


def _told(outcome: Outcome) -> bytes:
    return f"{outcome.position} {[document.id for document in outcome.documents]}".encode()


def replies(outcomes: Sequence[Outcome]) -> list[bytes | None]:
    return [each.refusal.reply if isinstance(each.refusal, AnsweredBefore) else None for each in outcomes]


def test_equal_commands_of_one_group_are_one_write(store: LibraryStore) -> None:
    command = put("d", mode=WriteMode.CREATE)
    with opened(store) as (library, _):
        outcomes = library.write([command, command, command], [keep("a"), keep("a"), keep("b")])

        assert replies(outcomes) == [None, b"1 ['d']", None]
        assert isinstance(outcomes[2].refusal, DocumentExists)
        assert library.view.state.position == 2


def test_a_repetition_in_a_later_group_writes_and_flushes_nothing(store: LibraryStore) -> None:
    with opened(store) as (library, flushes):
        library.write([put("d")], [keep("a")])
        view = library.view
        outcomes = library.write([put("d"), put("d")], [keep("a"), keep("a")])

        assert replies(outcomes) == [b"1 ['d']", b"1 ['d']"]
        assert library.view is view
        assert len(flushes) == 1


def test_a_key_of_another_request_is_refused_in_order(store: LibraryStore) -> None:
    with opened(store) as (library, _):
        outcomes = library.write([put("d"), put("e")], [keep("a"), keep("a", OTHER)])

        assert isinstance(outcomes[1].refusal, IdempotencyKeyReused)
        assert library.view.state.documents == 1


def test_a_refused_command_keeps_nothing(store: LibraryStore) -> None:
    with opened(store) as (library, _):
        first, second, third = library.write(
            [DeleteDocument("d", THEN), put("d"), DeleteDocument("d", THEN)], [keep("a"), None, keep("a")]
        )

    assert first.refusal is not None
    assert (second.refusal, third.refusal) == (None, None)


@given(
    sent=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([None, "k", "l"]), st.integers(0, 30)), max_size=12
    ),
    cuts=st.sets(st.integers(1, 11)),
)
@settings(max_examples=60, deadline=None)
def test_keys_do_what_a_dictionary_of_replies_does(sent: list[tuple[str, str | None, int]], cuts: set[int]) -> None:
    """Each request creates a document: which, under which key, so many hours after the one before."""
    library, expected = LiveLibrary(MemoryLibraryStore(a_library()), lambda _: None), _Model()
    at, commands, keeps = THEN, list[PutDocuments](), list[Keep | None]()
    found, wanted = list[Outcome](), list[object]()
    for place, (document, key, hours) in enumerate(sent):
        at += timedelta(hours=hours)
        commands.append(replace(put(document, mode=WriteMode.CREATE), at=at))
        keeps.append(None if key is None else keep(key, document))
        wanted.append(expected.create(document, key, at))
        if place in cuts:
            found += library.write(commands, keeps)
            commands, keeps = [], []
    found += library.write(commands, keeps) if commands else []

    assert [_summary(outcome) for outcome in found] == wanted


class _Model:
    """Documents, and what was answered under which key, when."""

    def __init__(self) -> None:
        self.position, self.documents = 0, set[str]()
        self.answered: dict[str, tuple[str, datetime, bytes]] = {}

    def create(self, document: str, key: str | None, at: datetime) -> object:
        known = self.answered.get(key or "")
        if known is not None and at - known[1] < KEPT_FOR:
            if known[0] == document:
                return known[2]
            self.position += 1
            return IdempotencyKeyReused
        self.position += 1
        if document in self.documents:
            return DocumentExists
        self.documents.add(document)
        if key is not None:
            self.answered[key] = (document, at, f"{self.position} ['{document}']".encode())
        return self.position


def _summary(outcome: Outcome) -> object:
    if isinstance(outcome.refusal, AnsweredBefore):
        return outcome.refusal.reply
    return outcome.position if outcome.refusal is None else type(outcome.refusal)
