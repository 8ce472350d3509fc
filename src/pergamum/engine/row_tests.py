"""Conditions of a filter that the rows answer by their indexes: on ids, and on the words of a chunk's text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pergamum.domain.fields import Column, Level
from pergamum.domain.filters import CheckedFilter, Not, Op, Test
from pergamum.index.mask import Flags
from pergamum.storage.base import Rows

_FIELDS: Final = {Level.DOCUMENT: {"id"}, Level.CHUNK: {"id", "document_id", "text"}}


def answered_by_rows(column: Column) -> bool:
    """Whether the field has no column, because the rows know where an id is, and which chunks have which words."""
    return not column.metadata and column.key in _FIELDS[column.level]


def needs_rows(checked: CheckedFilter) -> bool:
    """Whether the filter has conditions that the rows answer."""
    return any(answered_by_rows(test.column) for test in tests_of(checked))


def tests_of(checked: CheckedFilter) -> Iterator[Test]:
    """Yield the conditions of a filter."""
    if isinstance(checked, Test):
        yield checked
    elif isinstance(checked, Not):
        yield from tests_of(checked.part)
    else:
        parts: Iterable[CheckedFilter] = checked.parts
        for part in parts:
            yield from tests_of(part)


@dataclass(frozen=True, slots=True)
class RowTests:
    """Where such conditions hold, in one read transaction: in which of `slots` slots, which of `numbers` numbers."""

    rows: Rows
    slots: int
    numbers: int

    def __call__(self, test: Test) -> Flags:
        """Return by slot, or by number of document, where the test holds, live or not. O(values asked for + rows).

        REQUIRES: `answered_by_rows`, and not the `document_id` of a chunk, which is the id of its document.
        """
        if test.column.level is Level.DOCUMENT:
            found = _flags(self.rows.document_numbers(_ids(test)).values(), self.numbers)
        elif test.op is Op.MATCHES:
            found = _flags(self.rows.slots_matching(str(test.value)).tolist(), self.slots)
        else:
            found = _flags(self.rows.slots_by_id(_ids(test)).values(), self.slots)
        return ~found if test.op in {Op.NE, Op.NIN} else found


def _ids(test: Test) -> Sequence[str]:
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    return [str(value) for value in values]


def _flags(places: Iterable[int], count: int) -> Flags:
    flags = np.zeros(count, np.bool_)
    at = np.fromiter(places, np.int64)
    flags[at[at < count]] = True
    return flags
