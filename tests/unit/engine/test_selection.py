"""Whatever takes a filter equals what plain Python makes of the same rows: searches, lists, counts, facets, changes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.commands import Command, DeleteWhere, UpdateWhere
from pergamum.domain.facets import COMPARED, COUNTED, FacetAsked, FacetFound, Range, RangeAsked, known
from pergamum.domain.field_changes import FieldChanges
from pergamum.domain.fields import Column, Level
from pergamum.domain.filter_checking import column_of
from pergamum.domain.filters import And
from pergamum.domain.json import Json
from pergamum.domain.listing import IDS, UNSORTED, Listing, Order
from pergamum.domain.schema import MetadataSchema
from pergamum.engine.where import Where
from tests.support.filters import Given
from tests.support.library import NOW, a_library, vector
from tests.support.random_filters import VALUES, filters, names, records, schemas, values
from tests.support.selection import Row, Stored


@st.composite
def libraries(draw: st.DrawFn) -> Stored:
    schema = draw(schemas(renamed=True))
    return Stored(replace(a_library(), metadata_schema=schema), draw(records(schema)))


def sortable(stored: Stored, level: Level) -> list[str]:
    named = [(name, column_of(name, stored.schema, level).type) for name in names(stored.schema, level)]
    return [name for name, kind in named if not kind.many and kind.scalar not in UNSORTED]


@settings(max_examples=60)
@given(st.data(), libraries(), st.sampled_from(Level), st.integers(1, 4), st.booleans())
def test_pages_hold_each_match_once_in_order(
    data: st.DataObject, stored: Stored, level: Level, limit: int, descending: bool
) -> None:
    filter = data.draw(st.none() | filters(stored.schema, level))
    field = data.draw(st.none() | st.sampled_from(sortable(stored, level)))
    order = None if field is None else Order(field, descending)

    found = list(stored.pages(Listing(level, filter, order, limit=limit)))

    rows = stored.rows(level) if filter is None else stored.matching(level, filter)
    assert [id for page in found for id in page] == [row.id for row in _sorted(stored, rows, order, level)]
    assert all(len(page) == limit for page in found[:-1])
    assert len(found) == 1 or found[-1]


def _sorted(stored: Stored, rows: list[Row], order: Order | None, level: Level) -> list[Row]:
    """Sort by value, then by number; a reversed sort keeps equal values in their order."""
    column = IDS[level] if order is None else column_of(order.field, stored.schema, level)
    rows = sorted(rows, key=lambda row: row.number)
    there = [row for row in rows if stored.value(column, row) is not None]
    descending = order is not None and order.descending
    missing = [row for row in rows if stored.value(column, row) is None]
    return sorted(there, key=lambda row: stored.value(column, row), reverse=descending) + missing


@settings(max_examples=60)
@given(st.data(), libraries(), st.sampled_from(Level), st.integers(1, 4))
def test_facets_count_every_value(data: st.DataObject, stored: Stored, level: Level, top: int) -> None:
    filter = data.draw(filters(stored.schema, level))
    kinds = {name: column_of(name, stored.schema, level) for name in names(stored.schema, level)}
    name = data.draw(st.sampled_from([name for name, column in kinds.items() if _counted(column, level)]))
    ranges = tuple(data.draw(st.lists(_ranges(kinds[name]), max_size=3))) if _compared(kinds[name]) else ()
    asked = FacetAsked(name, top, ranges, stats=_compared(kinds[name]))
    facet = known(asked, stored.schema, level, "facet")

    (found, count) = stored.live.on_selection(level, filter, lambda rows: (rows.facets([facet])[0], rows.count))

    values = [stored.value(kinds[name], row) for row in stored.matching(level, filter)]
    assert count == len(values)
    assert found == _facet(values, facet.top, facet.ranges, stats=facet.stats)


def _counted(column: Column, level: Level) -> bool:
    return column.type.scalar in COUNTED and column != IDS[level]


def _compared(column: Column) -> bool:
    return not column.type.many and column.type.scalar in COMPARED


def _ranges(column: Column) -> st.SearchStrategy[RangeAsked]:
    bound = st.none() | st.sampled_from(VALUES[column.type.scalar])
    open_or_closed = st.sampled_from([("gt", "lt"), ("gte", "lt"), ("gt", "lte"), ("gte", "lte")])
    return st.builds(lambda low, high, ends: RangeAsked(**{ends[0]: low, ends[1]: high}), bound, bound, open_or_closed)


def _facet(values: list[Given], top: int | None, ranges: Sequence[Range], *, stats: bool) -> FacetFound:
    there = [value for value in values if value is not None]
    counts = Counter(item for value in there for item in (set(value) if isinstance(value, tuple) else [value]))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return FacetFound(
        missing=len(values) - len(there),
        values=ordered[:top],
        distinct=len(counts),
        ranges=[sum(_inside(value, one) for value in there) for one in ranges] or None,
        least=min(there, default=None) if stats else None,
        greatest=max(there, default=None) if stats else None,
    )


def _inside(value: Given, one: Range) -> bool:
    above = one.low is None or value > one.low or (one.low_closed and value == one.low)
    return above and (one.high is None or value < one.high or (one.high_closed and value == one.high))


@settings(max_examples=60)
@given(st.data(), libraries(), st.sampled_from(Level))
def test_deleting_leaves_what_the_filter_does_not_hold_for(data: st.DataObject, stored: Stored, level: Level) -> None:
    filter = data.draw(filters(stored.schema, level))
    before = {each: stored.rows(each) for each in Level}
    gone = {row.id for row in stored.matching(level, filter)}

    outcome = stored.write(DeleteWhere(level, filter, NOW))

    assert (outcome.refusal, outcome.matched) == (None, len(gone))
    if level is Level.DOCUMENT:
        assert stored.rows(Level.DOCUMENT) == [row for row in before[Level.DOCUMENT] if row.id not in gone]
        assert stored.rows(Level.CHUNK) == [row for row in before[Level.CHUNK] if row.document.id not in gone]
    else:
        lost = Counter(row.document.id for row in before[Level.CHUNK] if row.id in gone)
        assert [row.id for row in stored.rows(Level.CHUNK)] == [
            row.id for row in before[Level.CHUNK] if row.id not in gone
        ]
        for old, new in zip(before[Level.DOCUMENT], stored.rows(Level.DOCUMENT), strict=True):
            fewer = lost[old.id]
            expected = replace(
                old.document, chunks=old.document.chunks - fewer, version=old.document.version + bool(fewer)
            )
            assert new.document == replace(expected, updated_at=new.document.updated_at)
    state = stored.live.view.state
    assert (state.documents, state.chunks) == (len(stored.rows(Level.DOCUMENT)), len(stored.rows(Level.CHUNK)))
    _assert_columns_are_as_rows(stored)


def _assert_columns_are_as_rows(stored: Stored) -> None:
    everything = And(())
    for level in Level:
        (page,) = stored.pages(Listing(level, everything, limit=1_000))
        assert page == [row.id for row in stored.rows(level)]


@settings(max_examples=60)
@given(st.data(), libraries(), st.sampled_from(Level))
def test_updating_changes_what_the_filter_holds_for(data: st.DataObject, stored: Stored, level: Level) -> None:
    filter = data.draw(filters(stored.schema, level))
    name, value = data.draw(_settings(stored.schema, level))
    before = stored.rows(level)
    matched = {row.id for row in stored.matching(level, filter)}
    spelled = name if f"metadata.{name}" in stored.schema.fields(level) else f"metadata.{name}"

    outcome = stored.write(UpdateWhere(level, filter, FieldChanges(set={spelled: value}), NOW))

    assert (outcome.refusal, outcome.matched) == (None, len(matched))
    for old, new in zip(before, stored.rows(level), strict=True):
        was, is_now = (old.document, new.document) if old.chunk is None else (old.chunk, new.chunk)
        assert is_now is not None
        if old.id not in matched:
            assert level is Level.CHUNK or is_now == was
            assert is_now.metadata == was.metadata
            continue
        rest = {key: known for key, known in was.metadata.items() if key != name}
        assert is_now.metadata == (rest if value is None else {**rest, name: value})
        assert is_now.version == was.version + 1
    if level is Level.CHUNK:
        _assert_touched_once(stored, before, matched)
    _assert_columns_are_as_rows(stored)


def _assert_touched_once(stored: Stored, before: list[Row], matched: set[str]) -> None:
    versions = {row.id: row.document.version for row in stored.rows(Level.DOCUMENT)}
    touched = {row.document.id for row in before if row.id in matched}
    for row in before:
        assert versions[row.document.id] == row.document.version + (row.document.id in touched)


def _settings(schema: MetadataSchema, level: Level) -> st.SearchStrategy[tuple[str, Json]]:
    fields = schema.fields(level)
    if not fields:
        return st.just(("metadata.nothing", None))
    return st.sampled_from(sorted(fields)).flatmap(
        lambda name: st.tuples(st.just(name), st.none() | values(fields[name].type))
    )


@settings(max_examples=25)
@given(st.data(), schemas())
def test_the_same_commands_make_the_same_rows_and_history(data: st.DataObject, schema: MetadataSchema) -> None:
    library, kept = replace(a_library(), metadata_schema=schema), data.draw(records(schema))
    twins = [Stored(library, kept) for _ in range(2)]
    level = data.draw(st.sampled_from(Level))
    commands: list[Command] = [
        UpdateWhere(level, data.draw(filters(schema, level)), _change(level), NOW),
        DeleteWhere(level, data.draw(filters(schema, level)), NOW),
    ]

    for command in commands:
        assert twins[0].write(command) == twins[1].write(command)

    assert twins[0].live.view.state.history == twins[1].live.view.state.history
    assert all(twins[0].rows(each) == twins[1].rows(each) for each in Level)


def _change(level: Level) -> FieldChanges:
    return FieldChanges(set={"title" if level is Level.DOCUMENT else "page_number": None})


@settings(max_examples=60)
@given(st.data(), libraries(), st.integers(1, 6), st.floats(-1, 5))
def test_a_search_finds_the_nearest_of_what_the_filter_holds_for(
    data: st.DataObject, stored: Stored, k: int, aim: float
) -> None:
    filter = data.draw(filters(stored.schema, Level.CHUNK))
    query = vector(1, aim)

    (answer,) = stored.live.search(query[np.newaxis], k, "exact", where=Where.of(filter, stored.schema))

    def distance(row: Row) -> float:
        return float(np.linalg.norm(stored.live.view.vector(row.number).astype(np.float64) - query))

    nearest = sorted(stored.matching(Level.CHUNK, filter), key=lambda row: (distance(row), row.number))[:k]
    assert [hit.chunk.id for hit in answer.hits] == [row.id for row in nearest]
