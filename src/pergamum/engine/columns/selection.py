"""The documents or chunks that a filter holds for: how many, in which order, with which values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pergamum.domain.document import Document
from pergamum.domain.facets import Facet, FacetFound
from pergamum.domain.fields import Column, Level
from pergamum.domain.listing import IDS, Last, Listed, Part
from pergamum.engine.columns.columns import Columns
from pergamum.engine.columns.facets import facet_of
from pergamum.engine.columns.ordering import in_order
from pergamum.engine.columns.run import Numbers
from pergamum.engine.columns.values import values_of
from pergamum.engine.listing import by_id
from pergamum.index.mask import Flags
from pergamum.storage.base import LibraryState, Rows, StoredChunk


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some of the live documents, flagged by number, or of the live chunks, by slot. Threads: one.

    REQUIRES: all of it is of the same position.
    """

    columns: Columns
    rows: Rows
    level: Level
    flags: Flags
    state: LibraryState

    @property
    def numbers(self) -> Numbers:
        """The rows that were selected, ascending."""
        return np.flatnonzero(self.flags)

    @property
    def count(self) -> int:
        """How many were selected."""
        return int(np.count_nonzero(self.flags))

    def documents(self, part: Part) -> Listed[Document]:
        """Return a part of the list. Raises `InvalidCursor`. REQUIRES: documents were selected."""
        keys, last = self._part(part)
        found = self.rows.documents_at([key.number for key in keys])
        return Listed([found[key.number] for key in keys], last)

    def chunks(self, part: Part) -> Listed[StoredChunk]:
        """Return a part of the list. Raises `InvalidCursor`. REQUIRES: chunks were selected."""
        keys, last = self._part(part)
        found = self.rows.chunks_at([key.number for key in keys])
        return Listed([found[key.number] for key in keys], last)

    def facets(self, wanted: Sequence[Facet]) -> list[FacetFound]:
        """Return what is wanted of each field."""
        numbers = self.numbers
        return [facet_of(self._values(facet.column, numbers), facet) for facet in wanted]

    def _part(self, part: Part) -> tuple[list[Last], Last | None]:
        """Return where the items of the part are kept, and where the list goes on behind them."""
        one_more = replace(part, limit=part.limit + 1)
        of_id = part.column == IDS[self.level]
        found = by_id(self.rows, self.level, self.flags, one_more) if of_id else self._by_value(one_more)
        keys = found[: part.limit]
        return keys, keys[-1] if len(found) > part.limit else None

    def _by_value(self, part: Part) -> list[Last]:
        numbers = self.numbers
        values = self._values(part.column, numbers)
        return in_order(values, numbers, part.after, part.limit, descending=part.descending)

    def _values(self, column: Column, numbers: Numbers) -> pl.Series:
        return values_of(self.columns, column, self.level, numbers, self.rows.ids_at)
