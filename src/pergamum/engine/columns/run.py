"""A run: rows of one table that were written together, in columns. It never changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from pergamum.engine.columns.names import DOCUMENT, LIVE
from pergamum.index.mask import Flags

Numbers: TypeAlias = npt.NDArray[np.int64]
"""Row numbers, ascending: slots of chunks, numbers of documents."""

_SERIALS: Final = count()
_FILLED: Final = {DOCUMENT: 0, LIVE: False}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Row i of `frame` is the row of number first + i of the table, or numbers[i] where the run has gaps.

    `serial` belongs to no other run of this process. `_made` keeps what was derived of columns, see `derived`.
    """

    frame: pl.DataFrame
    first: int
    gaps: Numbers | None = None
    serial: int = field(default_factory=_SERIALS.__next__)
    _made: dict[str, pl.Series] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, numbers: Numbers, frame: pl.DataFrame) -> "Run":
        """Return the run of rows with these numbers. REQUIRES: at least one row."""
        first, last = int(numbers[0]), int(numbers[-1])
        return cls(frame, first, None if last - first + 1 == len(numbers) else numbers)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return self.frame.height

    @property
    def numbers(self) -> Numbers:
        """The row numbers."""
        return np.arange(self.first, self.first + self.size) if self.gaps is None else self.gaps

    def covers(self, rows: int) -> bool:
        """Whether these are exactly the rows [0, rows)."""
        return self.gaps is None and self.first == 0 and self.size == rows

    def place(self, out: npt.NDArray[np.generic], values: npt.NDArray[np.generic]) -> None:
        """Write the values of the rows into an array over the rows of the table."""
        if self.gaps is None:
            out[self.first : self.first + self.size] = values
        else:
            out[self.gaps] = values

    def column(self, name: str) -> pl.Series | None:
        """Return a column, None where no row has a value."""
        return self.frame[name] if name in self.frame.columns else None

    def derived(self, name: str, make: Callable[[], pl.Series]) -> pl.Series:
        """Return what `make` makes of the columns, made once. Two threads may both make it: they make the same."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = make()
        return made

    def documents(self) -> npt.NDArray[np.uint32]:
        """Return the number of each chunk's document."""
        return self.frame[DOCUMENT].to_numpy()

    def dense(self) -> "Run":
        """Return the run from row 0 on with its gaps as rows of nulls, unless they would be most of it."""
        end = int(self.numbers[-1]) + 1
        if end == self.size or end > 2 * self.size + 1_024:
            return self
        places = np.full(end, -1, np.int64)
        places[self.numbers] = np.arange(self.size)
        rows = self.frame.select(pl.all().gather(indices(places)))
        return Run(_filled(rows), 0)


def indices(places: Numbers) -> pl.Series:
    """Return places for `gather`, which gives a null where one is negative."""
    return pl.DataFrame({"at": places}).select(pl.when(pl.col("at") >= 0).then(pl.col("at"))).to_series()


def merged(older: Run, newer: Run) -> Run:
    """Return one run with the rows of both, those of `newer` where both have a row. O(rows of both)."""
    if older.gaps is None and newer.gaps is None and older.first + older.size == newer.first:
        return Run(_filled(pl.concat([older.frame, newer.frame], how="diagonal", rechunk=True)), older.first)
    before, after = older.numbers, newer.numbers
    kept = np.ones(len(before), np.bool_)
    places = np.searchsorted(before, after)
    inside = places < len(before)
    hits = places[inside][before[places[inside]] == after[inside]]
    kept[hits] = False
    numbers = np.concatenate([before[kept], after])
    frame = pl.concat([older.frame.filter(pl.Series(kept)), newer.frame], how="diagonal")
    order = np.argsort(numbers, kind="stable")
    return Run.of(numbers[order], _filled(frame.select(pl.all().gather(pl.Series(order, dtype=pl.UInt32)))))


def joined(runs: Sequence[Run]) -> Run:
    """Return one run with the rows of all. REQUIRES: at least one; the numbers of each come after those before."""
    frame = pl.concat([run.frame for run in runs], how="diagonal")
    return Run.of(np.concatenate([run.numbers for run in runs]), _filled(frame))


def _filled(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with what every row has of its own in rows of nulls, too."""
    return frame.with_columns(
        pl.col(name).fill_null(value) for name, value in _FILLED.items() if name in frame.columns
    ).rechunk()


Predicate: TypeAlias = Callable[[Run], Flags]
"""Says for each row of a run whether something holds."""
