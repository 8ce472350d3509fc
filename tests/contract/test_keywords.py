"""What keyword search finds, on a disk and in memory; and that both give the same chunks, order and scores."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain import keywords
from pergamum.domain.keywords import read_keywords
from pergamum.storage.base import LibraryStore, StoredChunk, WritableRows
from tests.support.keywords import faults
from tests.support.storage import document, library, open_storage, save, stored

WORDS = ("a", "b", "ab", "abc", "é", "e\u0301", "東", "東京", "한국", "ß", "x²", "ﬁ", "🦊", "1", "№", "\x1f", "\ue000")
JOINTS = (" ", "-", "\0", "", '"', "*", "\u0301", "\n")
TRICKS = (
    "AND",
    "a AND",
    "a NOT b",
    "NEAR(a b, 2)",
    "title: a",
    "{title text} : a",
    "- title : a",
    "^a",
    "a + b",
    '"a',
    'a"" OR "b',
    '" OR text:b OR "',
    "(((((a",
    "a)",
    "a\0b",
    "*",
    "**",
    "a' OR 1=1 --",
    "\\",
    "keywords MATCH 'a'",
)

texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(JOINTS)), max_size=6).map(
    lambda parts: "".join(word + joint for word, joint in parts)
)
asked = st.one_of(
    texts,
    st.sampled_from(TRICKS),
    texts.map('"{}"'.format),
    st.sampled_from(WORDS).map("{}*".format),
    st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
)


def slots(store: LibraryStore, text: str, title_weight: float = 1.0) -> list[int]:
    with store.reading() as rows:
        return [slot for slot, _ in rows.keyword_hits(read_keywords(text), title_weight)]


def matching(store: LibraryStore, words: str) -> list[int]:
    with store.reading() as rows:
        found: list[int] = rows.slots_matching(words).tolist()
        return found


def test_a_chunk_is_found_by_a_word_of_its_text_or_of_its_documents_title(store: LibraryStore) -> None:
    chunks = stored(0, text="Cafés au lait"), stored(1, text="tea"), stored(2, document_id="e", text="milk")
    save(store, *chunks, documents=(document(title="Drinks"), document("e")))

    assert slots(store, "cafe\u0301s") == [0]
    assert slots(store, "DRINKS") == [1, 0], "the shorter chunk says it with fewer other words"
    assert slots(store, "tea milk") == [2, 1]
    assert slots(store, "caf*") == [0]
    assert slots(store, "coffee") == []


def test_titles_weigh_as_much_as_they_are_told_to(store: LibraryStore) -> None:
    save(
        store,
        stored(0, text="whale song song"),
        stored(1, document_id="e", text="whale whale song"),
        *(stored(slot, document_id="f", text="other words here") for slot in range(2, 7)),
        documents=(document(title="Whale"), document("e", title="Song"), document("f", title="Else")),
    )

    assert slots(store, "whale", 0.1) == [1, 0]
    assert slots(store, "whale", 9.0) == [0, 1]


def test_equally_good_chunks_come_in_the_order_of_their_slots(store: LibraryStore) -> None:
    save(store, *(stored(slot, text="the same words") for slot in (3, 1, 2)))

    assert slots(store, "same") == [1, 2, 3]


def test_matches_wants_every_phrase_and_in_the_text(store: LibraryStore) -> None:
    chunks = stored(0, text="new york"), stored(1, text="york, new"), stored(2, text="new yorker")
    save(store, *chunks, documents=(document(title="city"),))

    assert matching(store, "york NEW") == [0, 1]
    assert matching(store, '"new york"') == [0]
    assert matching(store, "new york*") == [0, 1, 2]
    assert matching(store, "new city") == []
    assert matching(store, " -- ") == []


def test_a_new_title_is_found_in_every_chunk_and_the_old_one_in_none(store: LibraryStore) -> None:
    save(store, stored(0, text="x"), stored(1, text="y"), documents=(document(title="old"),))

    save(store, documents=(document(title="new"),))

    assert slots(store, "old") == []
    assert slots(store, "new") == [0, 1]


def test_a_transaction_sees_its_own_words_and_a_savepoint_takes_them_back(store: LibraryStore) -> None:
    save(store, stored(0, text="kept"))

    with store.writing() as work:
        with suppress(Undone), work.savepoint():
            work.rows.put_chunks([stored(0, text="undone")])
            assert [slot for slot, _ in work.rows.keyword_hits(read_keywords("undone"), 1.0)] == [0]
            raise Undone
        assert work.rows.slots_matching("kept").tolist() == [0]
        work.rows.put_chunks([stored(0, text="changed")])
        work.commit()

    assert [slots(store, word) for word in ("kept", "undone", "changed")] == [[], [], [0]]


def test_common_words_are_left_out_where_rarer_ones_remain(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keywords, "MOST_MATCHES", 4)
    save(store, *(stored(slot, text="the cat" if slot in {3, 5} else "the") for slot in range(9)))

    assert slots(store, "the cat") == [3, 5]
    assert sorted(slots(store, "the")) == list(range(9))
    assert sorted(slots(store, "the dog")) == list(range(9)), "a word that does not occur is no rarer one"


def test_a_word_asked_twice_counts_twice_where_there_are_others(store: LibraryStore) -> None:
    save(store, stored(0, text="cat"), stored(1, text="dog"), *(stored(slot, text="other") for slot in range(2, 6)))

    assert slots(store, "cat dog") == [0, 1]
    assert slots(store, "cat dog dog") == [1, 0]
    with store.reading() as rows:
        once, *rest = [list(rows.keyword_hits(read_keywords(text), 1.0)) for text in ("cat", "cat cat", "cat cat dog")]
    assert rest[0] == once
    assert rest[1][0] == (0, 2 * once[0][1])


def test_a_word_asked_very_often_counts_five_times(store: LibraryStore) -> None:
    save(store, stored(0, text="cat"), stored(1, text="dog"), *(stored(slot, text="other") for slot in range(2, 6)))

    with store.reading() as rows:
        five, many = [list(rows.keyword_hits(read_keywords("dog " + "cat " * n), 1.0)) for n in (5, 90)]

    assert five == many


@pytest.mark.parametrize("trick", TRICKS)
def test_the_syntax_of_fts5_is_plain_text(store: LibraryStore, trick: str) -> None:
    save(store, stored(0, text=trick), stored(1, text="something else"))

    found = slots(store, trick)

    assert found == ([0] if read_keywords(trick).phrases else [])
    assert matching(store, trick) == found


Step: TypeAlias = Callable[[WritableRows], object]


class Undone(Exception):
    """Raised inside a block to have it undone."""


@dataclass
class Chunks:
    """The chunks that are stored, by id, and where the next one goes: what a random change needs to be a legal one."""

    stored: dict[str, StoredChunk] = field(default_factory=dict)
    next_slot: int = 0

    def step(self, kind: str, key: str, text: str) -> list[Step]:
        """Return the writes of one change: give a title, store a chunk in its slot or in a new one, remove it."""
        owner, old = "even" if key < "c" else "odd", self.stored.get(key)
        if kind == "remove":
            return [] if old is None else [partial(_remove, self.stored.pop(key))]
        if kind == "title":
            return [lambda rows: rows.put_documents([document(owner, title=text or None)])]
        slot = self.next_slot if old is None or kind == "move" else old.slot
        self.next_slot += slot == self.next_slot
        new = self.stored[key] = stored(slot, key, owner, text=text)
        return [
            lambda rows: rows.document(owner) or rows.put_documents([document(owner)]),
            lambda rows: rows.put_chunks([new]),
        ]


def _remove(gone: StoredChunk, rows: WritableRows) -> None:
    rows.remove_chunks([gone])


changes = st.lists(
    st.tuples(st.sampled_from(("title", "remove", "move", "put", "put")), st.sampled_from("abcd"), texts), max_size=6
)


def write(stores: Sequence[LibraryStore], undone: Sequence[Step], steps: Sequence[Step]) -> None:
    for store in stores:
        with store.writing() as work:
            with suppress(Undone), work.savepoint():
                for step in undone:
                    step(work.rows)
                raise Undone
            for step in steps:
                step(work.rows)
            work.commit()


@settings(max_examples=min(40, settings().max_examples))
@given(
    groups=st.lists(st.tuples(changes, changes), min_size=1, max_size=4),
    queries=st.lists(asked, min_size=1, max_size=8),
    title_weight=st.sampled_from((0.5, 1.0, 2.0)),
    most_matches=st.sampled_from((2, 50_000)),
)
def test_disk_and_memory_find_the_same_chunks_in_the_same_order(
    groups: list[tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]],
    queries: list[str],
    title_weight: float,
    most_matches: int,
) -> None:
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(keywords, "MOST_MATCHES", most_matches)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = [stack.enter_context(opened(kind, folder)) for kind in ("sqlite", "memory")]
        chunks = Chunks()
        for undone, kept in groups:
            given_up = Chunks(dict(chunks.stored), chunks.next_slot)
            write(
                stores,
                [step for change in undone for step in given_up.step(*change)],
                [step for change in kept for step in chunks.step(*change)],
            )
            on_disk, in_memory = [answers(store, queries, title_weight) for store in stores]
            assert on_disk == in_memory
        stores[0].close()
        assert faults(folder / "sqlite") == []


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[LibraryStore]:
    kept = library()
    with open_storage(kind, folder / kind) as storage:
        storage.create(kept)
        store = storage.open(kept.id)
        yield store
        store.close()


def answers(store: LibraryStore, queries: Sequence[str], title_weight: float) -> list[object]:
    """Return what is found for each query, scores to 9 digits."""
    with store.reading() as rows:
        ranked = [list(rows.keyword_hits(read_keywords(text), title_weight)) for text in queries]
        matched = [rows.slots_matching(text).tolist() for text in queries]
    return [[[(slot, float(f"{score:.9g}")) for slot, score in hits] for hits in ranked], matched]
