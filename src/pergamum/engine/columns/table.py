"""A table: the columns of all documents or all chunks, in runs of which the newest that has a row says what it holds.

A write appends one small run; runs merge so that each is more than twice as long as the next, and there are never many.
So what filters came to on the long run of old rows stays good, however steadily others write.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, cast

import numpy as np
import polars as pl

from pergamum.domain.fields import Column
from pergamum.engine.columns.cache import RESULTS
from pergamum.engine.columns.names import name_of, type_of
from pergamum.engine.columns.run import Predicate, Run, indices, merged
from pergamum.index.mask import Flags

AT_ONCE: Final = 8_192
"""The longest run that a write merges itself; longer ones are merged after its acknowledgement."""
_SERIALS: Final = count()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows [0, count) in `runs`, oldest first. Immutable; threads: any.

    A row in no run has no values. `serial` belongs to no other table of this process.
    """

    runs: tuple[Run, ...] = ()
    count: int = 0
    serial: int = field(default_factory=_SERIALS.__next__)

    def following(self, run: Run | None, rows: int) -> "Table":
        """Return the table of `rows` rows in which `run` is the newest. O(rows of small runs), amortised O(log)."""
        if run is None:
            return self if rows == self.count else Table(self.runs, rows)
        runs = [*self.runs, run]
        while len(runs) > 1 and _out_of_proportion(*runs[-2:]) and runs[-2].size + runs[-1].size <= AT_ONCE:
            runs[-2:] = [merged(runs[-2], runs[-1])]
        return Table(tuple(runs), rows)

    @property
    def untidy(self) -> bool:
        """Whether runs are to be merged that `following` left, because they are long."""
        return any(map(_out_of_proportion, self.runs, self.runs[1:]))

    def tidied(self) -> "Table":
        """Return the same rows with the runs in proportion. O(rows of the runs that are merged)."""
        runs: list[Run] = []
        for run in self.runs:
            runs.append(run)
            while len(runs) > 1 and _out_of_proportion(*runs[-2:]):
                runs[-2:] = [merged(runs[-2], runs[-1])]
        return Table(tuple(runs), self.count)

    def whole(self) -> Run | None:
        """Return all rows as one run, None where there is none. O(rows) unless there is one run."""
        runs = list(self.runs)
        while len(runs) > 1:
            runs[-2:] = [merged(runs[-2], runs[-1])]
        return runs[0] if runs else None

    def flags(self, test: int, predicate: Callable[[], Predicate]) -> Flags:
        """Return for which rows a test holds, read-only; `predicate` is asked for where it is not known yet.

        `test` is the number of the test in `RESULTS`. O(count), and what the predicate takes on the runs that are new.
        """
        asked: list[Predicate] = []

        def known(run: Run) -> Flags:
            key = ("run", run.serial, test)
            flags = cast("Flags | None", RESULTS.get(key))
            if flags is None:
                asked[:] = asked or [predicate()]
                flags = read_only(asked[0](run))
                RESULTS.put(key, flags, flags.nbytes)
            return flags

        return self.placed(known)

    def placed(self, flags_of: Predicate) -> Flags:
        """Return the flags of all runs as those of the rows, read-only, false for rows in no run. O(count)."""
        if len(self.runs) == 1 and self.runs[0].covers(self.count):
            return read_only(flags_of(self.runs[0]))
        out = np.zeros(self.count, np.bool_)
        for run in self.runs:
            run.place(out, flags_of(run))
        return read_only(out)

    def gathered(self, of_documents: Flags) -> Flags:
        """Return for each chunk what `of_documents` says of its document. REQUIRES: the table of chunks."""
        return self.placed(lambda run: np.take(of_documents, run.documents()))

    def series(self, column: Column) -> pl.Series:
        """Return the values of a field by row number, null where there is none. Times are microseconds since 1970.

        REQUIRES: no field of places, none that the rows answer. O(count) once for each field of the table.
        """
        name, kind = name_of(column), type_of(column.type)
        if len(self.runs) == 1 and self.runs[0].covers(self.count):
            return _column(self.runs[0], name, kind)  # nothing to keep: that would only outlive the run
        key = ("series", self.serial, name)
        known = cast("pl.Series | None", RESULTS.get(key))
        if known is None:
            known = self._series(name, kind)
            RESULTS.put(key, known, int(known.estimated_size()))
        return known

    def _series(self, name: str, kind: pl.DataType) -> pl.Series:
        places, first = np.full(self.count, -1, np.int64), 0
        for run in self.runs:
            run.place(places, np.arange(first, first + run.size))
            first += run.size
        parts = [pl.Series(name, [], kind), *(_column(run, name, kind) for run in self.runs)]
        return pl.concat(parts).gather(indices(places))


def read_only(flags: Flags) -> Flags:
    """Return the flags, which nobody may change any more: they are shared."""
    flags.flags.writeable = False
    return flags


def _column(run: Run, name: str, kind: pl.DataType) -> pl.Series:
    column = run.column(name)
    return pl.Series(name, [None], kind).new_from_index(0, run.size) if column is None else column


def _out_of_proportion(older: Run, newer: Run) -> bool:
    return 2 * newer.size >= older.size
