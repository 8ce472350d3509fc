"""Lists of selected rows by id: walked along or looked up, the outcome is the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.fields import Level
from pergamum.domain.listing import IDS, Last, Part
from pergamum.engine import listing
from pergamum.engine.listing import by_id
from pergamum.errors import InvalidCursor
from tests.support.library import a_chunk, a_library, put, vector
from tests.support.selection import Stored

ROWS = 60
"""More than a block, below."""


@pytest.fixture(scope="module")
def stored() -> Stored:
    """Sixty chunks whose ids are in another order than their slots."""
    made = Stored(a_library(), [])
    made.write(put("d", [a_chunk(f"{7 * slot % ROWS:02}", "d", vector(1, slot)) for slot in range(ROWS)]))
    return made


@given(
    flags=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS)
    | st.integers(0, ROWS).map(lambda n: [True] * n + [False] * (ROWS - n)),
    after=st.none() | st.integers(-1, ROWS).map(lambda number: f"{number:02}"),
    limit=st.integers(1, ROWS + 1),
    descending=st.booleans(),
    block=st.integers(1, 20),
)
def test_a_part_is_the_first_of_those_selected_behind_an_id(
    stored: Stored, flags: list[bool], after: str | None, limit: int, descending: bool, block: int
) -> None:
    part = Part(IDS[Level.CHUNK], descending, None if after is None else Last(after), limit)
    with pytest.MonkeyPatch.context() as patched, stored.live.reading() as rows:
        patched.setattr(listing, "BLOCK", block)
        found = by_id(rows, Level.CHUNK, np.array(flags), part)

    ids = sorted((f"{7 * slot % ROWS:02}" for slot in range(ROWS) if flags[slot]), reverse=descending)
    behind = [id for id in ids if after is None or (id < after if descending else id > after)]
    assert [last.key for last in found] == behind[:limit]
    assert all(f"{7 * last.number % ROWS:02}" == last.key for last in found)


def test_a_cursor_of_another_order_is_refused(stored: Stored) -> None:
    with stored.live.reading() as rows, pytest.raises(InvalidCursor):
        by_id(rows, Level.CHUNK, np.ones(ROWS, np.bool_), Part(IDS[Level.CHUNK], False, Last(3.5), 10))
