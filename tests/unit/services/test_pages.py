"""Pages of kept answers: put together they are the answer, they expire, and their memory is bounded."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.chunk import Chunk
from pergamum.domain.query import Answer, Group, Hit, HitDetails
from pergamum.errors import CursorExpired, TooLarge
from pergamum.services.pages import HIT_BYTES, Pages, part_of
from tests.support.library import NOW

LIBRARY = UUID(int=1)
MINUTE = 60.0


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answer(count: int, text: str = "") -> Answer:
    hits = tuple(
        Hit(Chunk(id=str(n), document_id="d", text=text, chunk_index=n, created_at=NOW, updated_at=NOW), -n, float(n))
        for n in range(count)
    )
    return Answer(hits, exact=True, expected_recall=1.0, complete=True, position=7, plan="")


def walked(pages: Pages, first: Answer) -> list[Answer]:
    """Return this page and all that follow."""
    found = [first]
    while found[-1].next_page is not None:
        found.append(pages.next(LIBRARY, found[-1].next_page))
    return found


@given(count=st.integers(0, 20), k=st.integers(1, 8))
def test_pages_together_are_the_answer(count: int, k: int) -> None:
    pages, whole = Pages(1 << 20, MINUTE), answer(count)

    found = walked(pages, pages.first(LIBRARY, whole, k))

    assert sum((page.hits for page in found), ()) == whole.hits
    assert all(len(page.hits) == k for page in found[:-1])
    assert all(page.paged and page.position == 7 for page in found)


@given(sizes=st.lists(st.integers(1, 3), max_size=9), k=st.integers(1, 4))
def test_pages_of_documents_hold_whole_documents(sizes: list[int], k: int) -> None:
    whole, groups = answer(sum(sizes)), []
    for number, size in enumerate(sizes):
        groups.append(Group(str(number), sum(sizes[:number]), sum(sizes[:number]) + size))
    pages = Pages(1 << 20, MINUTE)

    found = walked(pages, pages.first(LIBRARY, replace(whole, groups=tuple(groups)), k))

    named = [(group.document_id, page.hits[group.first : group.end]) for page in found for group in page.groups or ()]
    assert named == [(group.document_id, whole.hits[group.first : group.end]) for group in groups]


def test_an_answer_is_kept_for_some_time_after_its_last_use() -> None:
    clock = Clock()
    pages = Pages(1 << 20, MINUTE, clock)
    first = pages.first(LIBRARY, answer(9), 3)
    assert first.next_page is not None

    clock.now = 50.0
    second = pages.next(LIBRARY, first.next_page)
    clock.now = 100.0
    assert second.next_page is not None
    pages.next(LIBRARY, second.next_page)
    clock.now = 161.0

    with pytest.raises(CursorExpired):
        pages.next(LIBRARY, second.next_page)


def test_the_answer_used_least_lately_makes_room() -> None:
    pages = Pages(10 * 2 * HIT_BYTES, MINUTE)
    older = pages.first(LIBRARY, answer(6), 3).next_page
    newer = pages.first(LIBRARY, answer(6), 3).next_page
    assert older is not None
    assert newer is not None
    pages.next(LIBRARY, older)

    pages.first(LIBRARY, answer(6), 3)
    pages.first(LIBRARY, answer(6), 3)

    assert pages.next(LIBRARY, older).hits == answer(6).hits[3:]
    with pytest.raises(CursorExpired):
        pages.next(LIBRARY, newer)


def test_an_answer_too_large_to_be_kept_is_refused_and_one_page_of_it_is_not() -> None:
    pages = Pages(100_000, MINUTE)

    with pytest.raises(TooLarge):
        pages.first(LIBRARY, answer(10, "x" * 20_000), 9)
    assert pages.first(LIBRARY, answer(10, "x" * 20_000), 10).next_page is None


@pytest.mark.parametrize("page", ["", "nothing.3", "{token}.", "{token}.-1", "{token}.x"])
def test_a_page_that_was_never_named_is_unknown(page: str) -> None:
    pages = Pages(1 << 20, MINUTE)
    named = pages.first(LIBRARY, answer(2), 1).next_page
    assert named is not None

    with pytest.raises(CursorExpired):
        pages.next(LIBRARY, page.replace("{token}", named.rpartition(".")[0]))
    with pytest.raises(CursorExpired):
        pages.next(UUID(int=2), named)


def test_a_part_beyond_the_end_is_empty() -> None:
    grouped = replace(answer(1), groups=(Group("d", 0, 1),))

    assert part_of(answer(1), 5, 3).hits == ()
    assert (part_of(grouped, 5, 3).hits, part_of(grouped, 5, 3).groups) == ((), ())


def test_what_hits_carry_is_counted() -> None:
    chunk = Chunk(id="c", document_id="d", text="x" * 90_000, chunk_index=0, created_at=NOW, updated_at=NOW)
    heavy = replace(answer(0), hits=(Hit(chunk, 1.0, 0.0, HitDetails(highlights=((0, 1),))),) * 2)

    with pytest.raises(TooLarge):
        Pages(150_000, MINUTE).first(LIBRARY, heavy, 1)
