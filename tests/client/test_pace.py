"""How large batches become, and how many are under way, by what the server makes of them."""

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from pergamum.client.pace import FIRST_ITEMS, MOST_BYTES, MOST_ITEMS, MOST_WIDTH, STEPS, Pace

QUICK, MIDDLING, SLOW = 0.01, 1.0, 3.0


def full(pace: Pace, seconds: float) -> None:
    """Let a batch as large as it may be, of a kilobyte an item, be answered."""
    pace.answered(pace.items, 1_000 * pace.items, seconds)


def test_batches_double_while_they_are_answered_quickly() -> None:
    pace, sizes = Pace(), []

    for _ in range(8):
        sizes.append(pace.items)
        full(pace, QUICK)

    assert sizes == [min(FIRST_ITEMS * 2**turn, MOST_ITEMS) for turn in range(8)]


def test_batches_stay_when_they_take_as_long_as_they_should() -> None:
    pace = Pace()

    full(pace, MIDDLING)

    assert pace.items == FIRST_ITEMS


def test_a_slow_batch_halves_them_and_ends_the_doubling() -> None:
    pace = Pace()

    full(pace, SLOW)
    assert pace.items == FIRST_ITEMS // 2

    full(pace, QUICK)
    assert pace.items == FIRST_ITEMS // 2 + MOST_ITEMS // STEPS


def test_a_batch_that_is_not_full_tells_nothing_of_larger_ones() -> None:
    pace = Pace()

    pace.answered(FIRST_ITEMS - 1, 1_000, QUICK)

    assert (pace.items, pace.concurrency) == (FIRST_ITEMS, 2)


def test_what_is_too_large_is_halved_down_to_one_item() -> None:
    pace = Pace()

    for _ in range(20):
        pace.too_large(pace.items, pace.bytes)

    assert pace.items == 1
    assert pace.bytes == MOST_BYTES >> 20


def test_after_what_was_too_large_they_grow_again_by_steps() -> None:
    pace = Pace()
    pace.too_large(FIRST_ITEMS, MOST_BYTES)
    before = pace.bytes

    full(pace, QUICK)

    assert pace.items == FIRST_ITEMS // 2 + MOST_ITEMS // STEPS
    assert pace.bytes == before + MOST_BYTES // STEPS


def test_a_size_that_was_asked_for_is_kept_however_slow_the_server() -> None:
    pace = Pace(batch_size=500)

    full(pace, SLOW)
    full(pace, QUICK)

    assert pace.items == 500


def test_a_size_that_was_asked_for_is_halved_when_it_is_too_large_and_comes_back() -> None:
    pace = Pace(batch_size=500)

    pace.too_large(500, 1_000)
    assert pace.items == 250

    for _ in range(100):
        full(pace, SLOW)
    assert pace.items == 500


def test_more_batches_go_at_once_while_none_waits_for_another() -> None:
    pace = Pace()

    for _ in range(100):
        full(pace, QUICK * pace.items)

    assert pace.concurrency == MOST_WIDTH


def test_they_become_no_more_when_they_wait_for_each_other() -> None:
    """A server that does one at a time answers each batch later the more are under way."""
    pace = Pace()

    for _ in range(300):
        full(pace, 1e-4 * pace.items * pace.concurrency)

    assert 2 <= pace.concurrency <= 5


def test_a_server_that_puts_off_halves_them_once_for_all_that_were_under_way() -> None:
    pace = Pace(concurrency=8)

    seen = []
    for _ in range(16):
        pace.put_off()
        seen.append(pace.concurrency)

    assert seen == [4] * 8 + [2] * 4 + [1] * 4


@given(
    events=st.lists(
        st.one_of(
            st.tuples(st.just("answered"), st.integers(1, 10**5), st.floats(0, 100)),
            st.tuples(st.just("too_large"), st.integers(1, 10**5), st.just(0.0)),
            st.tuples(st.just("put_off"), st.just(0), st.just(0.0)),
        ),
        max_size=60,
    ),
    batch_size=st.one_of(st.just("auto"), st.integers(1, 5_000)),
    concurrency=st.one_of(st.just("auto"), st.integers(1, 50)),
)
def test_whatever_happens_it_goes_on_within_its_bounds(
    events: list[tuple[str, int, float]], batch_size: int | Literal["auto"], concurrency: int | Literal["auto"]
) -> None:
    pace = Pace(batch_size, concurrency)

    for kind, items, seconds in events:
        if kind == "answered":
            pace.answered(items, 100 * items, seconds)
        elif kind == "too_large":
            pace.too_large(items, 100 * items)
        else:
            pace.put_off()

    assert 1 <= pace.items <= (MOST_ITEMS if batch_size == "auto" else batch_size)
    assert 1 <= pace.bytes <= MOST_BYTES
    assert 1 <= pace.concurrency <= (MOST_WIDTH if concurrency == "auto" else concurrency)
