"""A table of runs holds what a dictionary of rows does, however the runs are merged."""

from typing import TypeAlias

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.fields import Column, FieldType, Level, ScalarType
from pergamum.engine.columns import table as module
from pergamum.engine.columns.cache import RESULTS
from pergamum.engine.columns.names import DOCUMENT
from pergamum.engine.columns.run import Run, joined, merged
from pergamum.engine.columns.table import Table

COLUMN = Column(Level.CHUNK, "n", FieldType(ScalarType.INTEGER), metadata=True)
NAME = "metadata.n"

Model: TypeAlias = dict[int, int | None]

values = st.none() | st.integers(0, 9)
writes = st.lists(st.dictionaries(st.integers(0, 40), values, min_size=1, max_size=12), max_size=12)


def run(rows: Model) -> Run:
    numbers = sorted(rows)
    frame = pl.DataFrame({DOCUMENT: pl.Series([1 + number % 3 for number in numbers], dtype=pl.UInt32)})
    if any(value is not None for value in rows.values()):
        frame = frame.with_columns(pl.Series(NAME, [rows[number] for number in numbers], pl.Int64))
    return Run.of(np.array(numbers), frame)


def contents(table: Table) -> Model:
    return dict(enumerate(table.series(COLUMN).to_list()))


def rows_of(made: Run) -> Model:
    column = made.column(NAME)
    return dict(zip(made.numbers.tolist(), [None] * made.size if column is None else column.to_list(), strict=True))


@settings(max_examples=80)
@given(writes=writes, at_once=st.sampled_from([1, 8, 10_000]))
def test_the_newest_run_that_has_a_row_says_what_it_holds(writes: list[Model], at_once: int) -> None:
    table, model = Table(), Model()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "AT_ONCE", at_once)
        for rows in writes:
            model |= rows
            table = table.following(run(rows), max(model) + 1)
    tidied, whole = table.tidied(), table.whole()

    expected = {row: model.get(row) for row in range(table.count)}
    assert contents(table) == contents(tidied) == expected
    assert not tidied.untidy
    assert len(tidied.runs) <= 7, "each run is more than twice as long as the next"
    assert table.count == tidied.count == max(model, default=-1) + 1
    assert rows_of(whole) == model if whole else not model


@settings(max_examples=50)
@given(writes=writes)
def test_flags_are_those_of_the_rows(writes: list[Model]) -> None:
    table, model = Table(), Model()
    for rows in writes:
        model |= rows
        table = table.following(run(rows), max(model) + 1)

    flags = table.placed(lambda part: np.array([(value or 0) > 4 for value in rows_of(part).values()]))
    gathered = table.gathered(np.array([False, True, False, True]))

    assert flags.tolist() == [(model.get(row) or 0) > 4 for row in range(table.count)]
    assert gathered.tolist() == [row in model and row % 3 in {0, 2} for row in range(table.count)]
    assert not flags.flags.writeable


def test_the_cache_holds_no_column_of_a_run_back() -> None:
    """Such a column is not counted as the cache's, and would outlive its library there."""
    table = Table((run({0: 1, 1: 2}),), 2)

    assert table.series(COLUMN).to_list() == [1, 2]

    assert RESULTS.get(("series", table.serial, NAME)) is None


@given(
    older=st.dictionaries(st.integers(0, 60), values, min_size=1),
    newer=st.dictionaries(st.integers(0, 60), values, min_size=1),
)
def test_merging_two_runs_keeps_the_newer_row(older: Model, newer: Model) -> None:
    assert rows_of(merged(run(older), run(newer))) == older | newer


@given(rows=st.dictionaries(st.integers(0, 5_000), values, min_size=1))
def test_a_run_is_filled_up_unless_most_of_it_would_be_gaps(rows: Model) -> None:
    dense = run(rows).dense()

    if max(rows) + 1 <= 2 * len(rows) + 1_024:
        assert rows_of(dense) == {row: rows.get(row) for row in range(max(rows) + 1)}
        assert dense.covers(max(rows) + 1)
    else:
        assert rows_of(dense) == rows


def test_runs_that_come_one_after_the_other_are_joined() -> None:
    assert rows_of(joined([run({0: 1, 2: None}), run({3: None}), run({7: 5})])) == {0: 1, 2: None, 3: None, 7: 5}


def test_what_a_test_came_to_on_a_long_run_outlives_a_write() -> None:
    asked: list[int] = []

    def predicate(part: Run) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        asked.append(part.size)
        return np.ones(part.size, np.bool_)

    table = Table().following(run(dict.fromkeys(range(30), 1)), 30)
    table.flags(-1, lambda: predicate)
    table = table.following(run({7: 2}), 30)
    table.flags(-1, lambda: predicate)

    assert asked == [30, 1]
