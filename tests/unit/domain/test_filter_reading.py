import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.fields import GeoPoint
from pergamum.domain.filter_reading import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_NAME,
    MAX_STRING,
    MAX_VALUES,
    read_filter,
    write_filter,
)
from pergamum.domain.filters import And, Box, Circle, Condition, Filter, LenRange, Not, Op, Or, Value
from pergamum.domain.json import Json, JsonObject
from pergamum.errors import InvalidFilter
from tests.support.random_filters import trees

LEAF: JsonObject = {"field": "year", "op": "eq", "value": 1}

scalars = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
lengths = st.integers(0, 5)
ranges = (
    lengths.map(lambda exact: LenRange(exact, exact))
    | st.builds(LenRange, lengths, st.none() | lengths)
    | st.builds(LenRange, st.none(), lengths)
)
places = st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
south_north = st.tuples(st.floats(-90, 90), st.floats(-90, 90)).map(sorted)
boxes = st.builds(
    lambda ends, west, east: Box(ends[0], west, ends[1], east), south_north, st.floats(-180, 180), st.floats(-180, 180)
)
VALUES: dict[Op, st.SearchStrategy[Value]] = {
    **dict.fromkeys([Op.EQ, Op.NE, Op.GT, Op.GTE, Op.LT, Op.LTE], scalars),
    **dict.fromkeys([Op.IN, Op.NIN, Op.ANY_OF, Op.ALL_OF, Op.NONE_OF], st.lists(scalars, max_size=4).map(tuple)),
    **dict.fromkeys([Op.STARTS_WITH, Op.CONTAINS, Op.MATCHES], st.text("ab é", max_size=4)),
    **dict.fromkeys([Op.EXISTS, Op.IS_NULL], st.booleans()),
    Op.BETWEEN: st.tuples(scalars, scalars),
    Op.LEN: ranges,
    Op.WITHIN: st.builds(Circle, places, st.floats(0, 1e7)) | boxes,
}
fields = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
conditions = st.sampled_from(Op).flatmap(lambda op: st.builds(Condition, fields, st.just(op), VALUES[op]))


@given(tree=trees(conditions))
@settings(max_examples=100)
def test_what_is_written_is_read_as_the_same_tree(tree: Filter) -> None:
    written = json.loads(json.dumps(write_filter(tree)))

    read = read_filter(written)

    assert read == tree
    assert repr(read) == repr(tree)  # tells 1 from 1.0 and True, which == does not


@pytest.mark.parametrize(
    ("raw", "tree"),
    [
        (LEAF, Condition("year", Op.EQ, 1)),
        ({"and": []}, And(())),
        ({"or": [LEAF, {"not": LEAF}]}, Or((Condition("year", Op.EQ, 1), Not(Condition("year", Op.EQ, 1))))),
        ({"field": "a", "op": "exists"}, Condition("a", Op.EXISTS, True)),
        ({"field": "a", "op": "is_null"}, Condition("a", Op.IS_NULL, True)),
        ({"field": "a", "op": "exists", "value": False}, Condition("a", Op.EXISTS, False)),
        ({"field": "a", "op": "len", "value": 2}, Condition("a", Op.LEN, LenRange(2, 2))),
        ({"field": "a", "op": "len", "value": {"gt": 1}}, Condition("a", Op.LEN, LenRange(2, None))),
        ({"field": "a", "op": "len", "value": {"lt": 1}}, Condition("a", Op.LEN, LenRange(None, 0))),
        ({"field": "a", "op": "len", "value": {"eq": 2, "gte": 1, "lt": 9}}, Condition("a", Op.LEN, LenRange(2, 2))),
        ({"field": "a", "op": "len", "value": {"gt": 2**31 - 1}}, Condition("a", Op.LEN, LenRange(2**31 - 1, None))),
        (
            {"field": "a", "op": "within", "value": {"center": {"lat": 1, "lon": 2}, "radius": 3}},
            Condition("a", Op.WITHIN, Circle(GeoPoint(1.0, 2.0), 3.0)),
        ),
        (
            {"field": "a", "op": "within", "value": {"south": 1, "west": 170, "north": 2, "east": -170}},
            Condition("a", Op.WITHIN, Box(1.0, 170.0, 2.0, -170.0)),
        ),
    ],
)
def test_each_shape_is_read(raw: Json, tree: Filter) -> None:
    assert read_filter(raw) == tree


def _of(op: str, value: Json) -> Json:
    return {"field": "a", "op": op, "value": value}


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        (None, "filter", "must be {"),
        (True, "filter", "must be {"),
        (3, "filter", "must be {"),
        ("year > 3", "filter", "must be {"),
        ([LEAF], "filter", "must be {"),
        ({}, "filter", "must be {"),
        ({"and": [LEAF], "or": [LEAF]}, "filter", "must be {"),
        ({"xor": [LEAF]}, "filter", "must be {"),
        ({"and": LEAF}, "filter.and", "must be a list"),
        ({"not": [LEAF]}, "filter.not", "must be {"),
        ({"and": [LEAF, {"or": [LEAF, 3]}]}, "filter.and.1.or.1", "must be {"),
        (LEAF | {"valeu": 3}, "filter", "nothing but field, op and value"),
        ({"op": "eq", "value": 1}, "filter.field", "name of a field"),
        (LEAF | {"field": ""}, "filter.field", "name of a field"),
        (LEAF | {"field": 3}, "filter.field", "name of a field"),
        (LEAF | {"field": "x" * (MAX_NAME + 1)}, "filter.field", "1,024 characters"),
        (LEAF | {"field": "\ud800"}, "filter.field", "surrogate"),
        ({"field": "a", "value": 1}, "filter.op", "must be one of eq, ne, "),
        (LEAF | {"op": "start_with"}, "filter.op", "did you mean starts_with?"),
        (LEAF | {"op": ["eq"]}, "filter.op", "must be one of eq, ne, "),
        ({"field": "a", "op": "eq"}, "filter.value", "is missing"),
        ({"not": _of("eq", None)}, "filter.not.value", "is_null"),
        (_of("ne", None), "filter.value", "is_null"),
        (_of("in", [1, None]), "filter.value.1", "is_null"),
        (_of("eq", [1]), "filter.value", "single value"),
        (_of("eq", {"lat": 1, "lon": 2}), "filter.value", "single value"),
        (_of("lt", float("nan")), "filter.value", "finite"),
        (_of("lt", float("inf")), "filter.value", "finite"),
        (_of("lt", 2**63), "filter.value", "64 bits"),
        (_of("lt", 10**400), "filter.value", "64 bits"),
        (_of("eq", "x" * (MAX_STRING + 1)), "filter.value", "65,536 characters"),
        (_of("in", ["a", "\udfff"]), "filter.value.1", "surrogate"),
        (_of("in", "a"), "filter.value", "list of values"),
        (_of("any_of", {"a": 1}), "filter.value", "list of values"),
        (_of("in", [1] * (MAX_VALUES + 1)), "filter.value", "has 10,001 values; at most 10,000"),
        (_of("between", [1]), "filter.value", "two values"),
        (_of("between", [1, None]), "filter.value.1", "is_null"),
        (_of("exists", None), "filter.value", "true or false"),
        (_of("is_null", 1), "filter.value", "true or false"),
        (_of("starts_with", 1), "filter.value", "must be a string"),
        (_of("contains", None), "filter.value", "must be a string"),
        (_of("matches", ["a"]), "filter.value", "must be a string"),
        (_of("len", None), "filter.value", "from 0 to"),
        (_of("len", True), "filter.value", "from 0 to"),
        (_of("len", -1), "filter.value", "from 0 to"),
        (_of("len", 1.0), "filter.value", "from 0 to"),
        (_of("len", [1]), "filter.value", "from 0 to"),
        (_of("len", 2**31), "filter.value", "from 0 to"),
        (_of("len", {}), "filter.value", "bounds"),
        (_of("len", {"ne": 1}), "filter.value", "bounds"),
        (_of("len", {"gte": None}), "filter.value.gte", "from 0 to"),
        (_of("len", {"lt": 0}), "filter.value.lt", "from 1 to"),
        (_of("within", 3), "filter.value", "center"),
        (_of("within", {"center": {"lat": 1, "lon": 2}}), "filter.value", "center"),
        (_of("within", {"center": {"lat": 1, "lon": 2}, "radius": -1}), "filter.value.radius", "at least 0"),
        (_of("within", {"center": {"lat": 1, "lon": 2}, "radius": "1"}), "filter.value.radius", "a number"),
        (_of("within", {"center": {"lat": 1, "lon": 2}, "radius": 10**400}), "filter.value.radius", "finite"),
        (_of("within", {"center": {"lat": 10**400, "lon": 2}, "radius": 1}), "filter.value.center", "finite"),
        (_of("within", {"center": {"lat": 91, "lon": 2}, "radius": 1}), "filter.value.center", "between -90 and 90"),
        (_of("within", {"center": [1, 2], "radius": 1}), "filter.value.center", "must be a place"),
        (_of("within", {"south": 2, "west": 0, "north": 1, "east": 0}), "filter.value", "south must not"),
        (_of("within", {"south": 0, "west": 0, "north": 1, "east": 181}), "filter.value", "lon between"),
        (_of("within", {"south": 0, "west": 0, "north": 1}), "filter.value", "center"),
    ],
)
def test_each_fault_says_where_and_why(raw: Json, path: str, reason: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        read_filter(raw)

    assert caught.value.facts["field"] == path
    assert reason in str(caught.value.facts["reason"])


def _nested(wrap: Callable[[Json], Json], levels: int, inside: Json = None) -> Json:
    for _ in range(levels):
        inside = wrap(inside)
    return inside


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inside: {"not": inside},
        lambda inside: {"and": [inside]},
        lambda inside: {"or": [LEAF, inside]},
        lambda inside: _of("eq", inside),
        lambda inside: _of("in", [inside]),
        lambda inside: _of("len", {"gte": inside}),
        lambda inside: _of("within", {"center": inside, "radius": 1}),
        lambda inside: _of("within", {"center": {"lat": inside, "lon": 1}, "radius": 1}),
        lambda inside: [inside],
        lambda inside: {"field": inside, "op": inside, "value": inside},
    ],
)
def test_nesting_without_end_is_refused(wrap: Callable[[Json], Json]) -> None:
    with pytest.raises(InvalidFilter) as caught:
        read_filter(_nested(wrap, 100_000), max_depth=MAX_DEPTH)

    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("limit", [1, 16, MAX_DEPTH])
def test_as_many_levels_as_allowed_are_read(limit: int) -> None:
    deepest = _nested(lambda inside: {"and": [inside]}, limit, LEAF)

    assert write_filter(read_filter(deepest, limit)) == deepest
    with pytest.raises(InvalidFilter, match=f"deeper than {limit} levels"):
        read_filter({"not": deepest}, limit)


def test_a_tree_that_no_server_takes_is_not_written() -> None:
    tree: Filter = Condition("year", Op.EQ, 1)
    for _ in range(MAX_DEPTH + 1):
        tree = Not(tree)

    with pytest.raises(InvalidFilter, match="deeper than 64 levels"):
        write_filter(tree)


@pytest.mark.parametrize("leaf", [LEAF, {"and": []}])
def test_so_many_conditions_are_read_and_no_more(leaf: Json) -> None:
    most = [leaf] * MAX_CONDITIONS

    assert len(write_filter(read_filter({"or": [*most]}))) == 1
    with pytest.raises(InvalidFilter, match="at most 1,000 conditions"):
        read_filter({"or": [{"and": [*most]}, leaf]})


def test_a_list_as_long_as_allowed_is_read() -> None:
    values: list[Json] = [f"value {at}" for at in range(MAX_VALUES)]

    read = read_filter(_of("in", values))

    assert isinstance(read, Condition)
    assert read.value == tuple(values)


keys = st.sampled_from(["and", "or", "not", "field", "op", "value", "gte", "center", "lat", "lon", "radius", "x"])
json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | scalars | st.sampled_from([*Op, "and", "field"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@given(raw=json_values, op=st.sampled_from(Op))
@settings(max_examples=200)
def test_whatever_comes_is_read_or_refused(raw: Json, op: Op) -> None:
    """Anything but `InvalidFilter` would fail here."""
    candidates: list[Json] = [raw, {"and": [raw]}, _of(op, raw)]
    for candidate in candidates:
        with suppress(InvalidFilter):
            read = read_filter(candidate)
            assert read_filter(write_filter(read)) == read
