"""Filters built from Python operators are the trees that JSON gives."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import numpy as np
import pytest

from pergamum.client import F, Where
from pergamum.client.filters import as_json
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.json import Json

ID = "0b4c1f9e-52a3-4f0e-9d5a-7a3f6a1c2b3d"


def asked(field: str, op: str, value: Json) -> Json:
    """Return a condition as JSON has it."""
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("built", "json"),
    [
        (F.year == 2020, asked("year", "eq", 2020)),
        (F.year != 2020, asked("year", "ne", 2020)),
        (F.year > 2020, asked("year", "gt", 2020)),
        (F.year >= 2020, asked("year", "gte", 2020)),
        (F.year < 2020.5, asked("year", "lt", 2020.5)),
        (F.year <= 2020, asked("year", "lte", 2020)),
        (2020 <= F.year, asked("year", "gte", 2020)),  # noqa: SIM300  # Python turns it round
        (F.open == True, asked("open", "eq", True)),  # noqa: E712  # makes a filter
        (F["odd name"] == "x", asked("odd name", "eq", "x")),
        (F["_private"] == "x", asked("_private", "eq", "x")),
        (F.document.year == 1, asked("document.year", "eq", 1)),
        (F.document["odd name"] == 1, asked("document.odd name", "eq", 1)),
        (F.chunk.metadata["exists"] == 1, asked("chunk.metadata.exists", "eq", 1)),
        (F.exists.exists(), asked("exists", "exists", True)),
        (F.year.in_([1, 2]), asked("year", "in", [1, 2])),
        (F.year.in_(range(3)), asked("year", "in", [0, 1, 2])),
        (F.year.not_in({1}), asked("year", "nin", [1])),
        (F.year.between(1, 2), asked("year", "between", [1, 2])),
        (F.title.starts_with("The"), asked("title", "starts_with", "The")),
        (F.title.contains("oo"), asked("title", "contains", "oo")),
        (F.text.matches('"the moon" se*'), asked("text", "matches", '"the moon" se*')),
        (F.tags.any_of(["a"]), asked("tags", "any_of", ["a"])),
        (F.tags.all_of(("a", "b")), asked("tags", "all_of", ["a", "b"])),
        (F.tags.none_of([]), asked("tags", "none_of", [])),
        (F.tags.length() == 2, asked("tags", "len", 2)),
        (F.tags.length() != 2, {"not": asked("tags", "len", 2)}),
        (F.tags.length() > 2, asked("tags", "len", {"gt": 2})),
        (F.tags.length() >= 2, asked("tags", "len", {"gte": 2})),
        (F.tags.length() < 2, asked("tags", "len", {"lt": 2})),
        (F.tags.length() <= 2, asked("tags", "len", {"lte": 2})),
        (F.tags.length().between(1, 3), asked("tags", "len", {"gte": 1, "lte": 3})),
        (F.at.within_circle(1, 2, 3), asked("at", "within", {"center": {"lat": 1, "lon": 2}, "radius": 3})),
        (
            F.at.within_box(south=1, west=170, north=2, east=-170),
            asked("at", "within", {"south": 1, "west": 170, "north": 2, "east": -170}),
        ),
        (F.year.is_null(), asked("year", "is_null", True)),
        (F.at < datetime(2026, 1, 1, tzinfo=UTC), asked("at", "lt", "2026-01-01T00:00:00+00:00")),
        (
            F.at.in_([datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(minutes=90)))]),
            asked("at", "in", ["2026-01-01T00:00:00+00:00"]),
        ),
        (F.ref == UUID(ID), asked("ref", "eq", ID)),
        (F.year.in_(np.array([1, 2])), asked("year", "in", [1, 2])),
        (F.score > np.float32(0.5), asked("score", "gt", 0.5)),
    ],
)
def test_each_operator_makes_the_tree_that_json_makes(built: Where, json: Json) -> None:
    assert built.filter == read_filter(json)
    assert repr(read_filter(built.json())) == repr(built.filter)


A, B, C = F.a == 1, F.b == 2, F.c == 3


@pytest.mark.parametrize(
    ("built", "json"),
    [
        (A & B & C, {"and": [A.json(), B.json(), C.json()]}),
        (A & (B & C), {"and": [A.json(), B.json(), C.json()]}),
        (A | B | C, {"or": [A.json(), B.json(), C.json()]}),
        (A & B | C, {"or": [{"and": [A.json(), B.json()]}, C.json()]}),
        (A & (B | C), {"and": [A.json(), {"or": [B.json(), C.json()]}]}),
        (~A, {"not": A.json()}),
        (~~A, A.json()),
        (~(A | B) & C, {"and": [{"not": {"or": [A.json(), B.json()]}}, C.json()]}),
    ],
)
def test_joins_make_the_tree_that_json_makes(built: Where, json: Json) -> None:
    assert built.json() == json
    assert built.filter == read_filter(json)


def test_a_long_chain_is_flat() -> None:
    chain = A
    for year in range(500):
        chain |= F.year == year

    assert read_filter(chain.json(), max_depth=1) == chain.filter


def test_a_tree_too_deep_for_any_server_is_refused_here() -> None:
    deep = A
    for _ in range(100):
        deep = (deep & B) | C

    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        deep.json()


@pytest.mark.parametrize(
    "misused",
    [
        lambda: 1 < F.year < 3,
        lambda: (F.a == 1) and (F.b == 2),
        lambda: (F.a == 1) or (F.b == 2),
        lambda: not F.year.exists(),
        lambda: "x" in F.title,
        lambda: [*F.tags],
        lambda: bool(F.open),
        lambda: bool(F.tags.length()),
        lambda: (F.a == 1) & True,  # type: ignore[operator]  # that it is refused is the point
        lambda: F.tags.any_of("abc"),
        lambda: F.tags.in_({"a": 1}),
        lambda: F.a == object(),
        lambda: {F.a},
    ],
)
def test_what_python_would_take_for_something_else_is_an_error(misused: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        misused()


def test_the_error_says_what_to_write_instead() -> None:
    with pytest.raises(TypeError, match=r"F\.x\.between\(1, 3\)"):
        bool(1 <= F.year <= 3)


@pytest.mark.parametrize(
    ("misused", "hint"),
    [
        (lambda: F.year == None, "is_null"),  # noqa: E711  # makes a filter
        (lambda: F.year.in_([1, None]), "is_null"),  # type: ignore[list-item]  # that it is refused is the point
        (lambda: F.score > math.inf, "finite"),
        (lambda: F.score > 2**64, "64 bits"),
        (lambda: F.at > datetime(2026, 1, 1), "zone"),  # noqa: DTZ001  # that it has none is the point
        (lambda: F.tags.length() == -1, "from 0"),
        (lambda: F.at.within_circle(91, 0, 1), "between -90 and 90"),
        (lambda: F.year.in_(range(10_001)), "at most 10,000"),
        (lambda: F[""] == 1, "name of a field"),
    ],
)
def test_values_no_server_takes_are_refused_at_once(misused: Callable[[], object], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        misused()


def test_python_finds_no_magic_in_fields() -> None:
    assert not hasattr(F, "__array__")
    assert not hasattr(F.year, "__len__")
    with pytest.raises(AttributeError, match=r"F\['_id'\]"):
        F._id  # noqa: B018  # the look-up is the point


def test_json_is_taken_for_a_filter_too() -> None:
    assert as_json({"and": []}) == {"and": []}
    assert as_json(A) == {"field": "a", "op": "eq", "value": 1}
