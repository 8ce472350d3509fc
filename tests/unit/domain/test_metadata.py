"""Metadata is accepted exactly where a plain reading of the rules says so, and inference fixes what comes first."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.metadata import accepted, inferred_type
from pergamum.domain.schema import MAX_FIELDS, MAX_LOOSE, MetadataSchema, SchemaMode
from pergamum.domain.schema_json import declarations, declared_schema
from pergamum.errors import InvalidMetadata

ID = "0b3c1a52-98b0-4a57-8d1c-2f0f4c1d9e77"
TIME = "2026-11-21T09:30:00Z"
PLACE: JsonObject = {"lat": 52.5, "lon": 13.4}
SAMPLES: list[tuple[Any, set[str]]] = [
    (True, {"boolean"}),
    (7, {"integer", "float"}),
    (-(2**63), {"integer", "float"}),
    (2**63, {"float"}),
    (0.5, {"float"}),
    (3.0, {"float"}),
    (math.nan, set()),
    (math.inf, set()),
    ("", {"string", "text"}),
    ("abc", {"string", "text"}),
    (ID, {"string", "text", "uuid"}),
    (ID.upper(), {"string", "text", "uuid"}),
    (TIME, {"string", "text", "datetime"}),
    ("2026-11-21T09:30:00", {"string", "text"}),
    ("2026-02-30T09:30:00Z", {"string", "text"}),
    (PLACE, {"geo_point"}),
    ({"lat": 91, "lon": 0}, set()),
    ({"lat": 1}, set()),
    ({}, set()),
    ([[1]], set()),
]
SCALARS = ("string", "text", "integer", "float", "boolean", "datetime", "uuid", "geo_point")
TYPES = (*SCALARS, *(f"list[{name}]" for name in SCALARS if name not in {"text", "geo_point"}))
values = st.sampled_from([value for value, _ in SAMPLES])
any_values = st.none() | values | st.lists(values, max_size=3)
names = st.sampled_from(["a", "b", "c", "d"])
modes = st.sampled_from(SchemaMode)


def fits(kind: str, value: Any) -> bool:  # noqa: ANN401  # any JSON
    if kind.startswith("list["):
        return isinstance(value, list) and all(fits(kind[5:-1], item) for item in value)
    return any(kind in kinds for sample, kinds in SAMPLES if sample is value)


def schema(mode: SchemaMode = SchemaMode.INFERRED, **fields: JsonObject) -> MetadataSchema:
    return declared_schema(mode, {}, fields)


def check(schema: MetadataSchema, metadata: JsonObject) -> tuple[JsonObject, MetadataSchema]:
    return accepted(schema, Level.CHUNK, metadata)


def inferred(metadata: JsonObject) -> dict[str, str]:
    after = check(MetadataSchema(), metadata)[1]
    return {name: str(known.type) for name, known in after.chunks.items()}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("value", "kinds"), SAMPLES, ids=lambda part: "-".join(sorted(part)) if isinstance(part, set) else repr(part)[:20]
)
def test_a_value_is_accepted_exactly_by_its_types(kind: str, value: Any, kinds: set[str]) -> None:  # noqa: ANN401
    field = schema(SchemaMode.STRICT, a={"type": kind})
    if kind.startswith("list["):
        value, fitting = [value, value], kind[5:-1] in kinds
    else:
        fitting = kind in kinds

    if fitting:
        assert check(field, {"a": value}) == ({"a": value}, field)
        return
    with pytest.raises(InvalidMetadata) as refused:
        check(field, {"a": value})
    assert (refused.value.facts["field"], refused.value.facts["expected"]) == ("metadata.a", kind)


@given(
    mode=modes,
    types=st.dictionaries(names, st.sampled_from(TYPES)),
    required=st.sets(names),
    metadata=st.dictionaries(names, any_values),
)
def test_metadata_is_accepted_exactly_where_the_rules_say_so(
    mode: SchemaMode, types: dict[str, str], required: set[str], metadata: JsonObject
) -> None:
    fields: dict[str, JsonObject] = {name: {"type": kind, "required": name in required} for name, kind in types.items()}
    declared = schema(mode, **fields)
    given_values = {name: value for name, value in metadata.items() if value is not None}
    good = all(name in types or mode is not SchemaMode.STRICT for name in given_values)
    good &= all(fits(types[name], value) for name, value in given_values.items() if name in types)
    good &= all(name in given_values for name in types if name in required)
    if mode is SchemaMode.INFERRED:
        unknown = [value for name, value in given_values.items() if name not in types]
        good &= not any(number == 2**63 or not math.isfinite(number) for number in _numbers_fixed(unknown))

    try:
        stored, after = check(declared, metadata)
    except InvalidMetadata:
        assert not good
        return

    assert good
    assert stored == metadata
    assert after.fields(Level.DOCUMENT) == {}
    assert {**after.chunks} | {**declared.chunks} == {**after.chunks}
    assert check(after, metadata)[1] is after


def _numbers_fixed(unknown: list[Any]) -> list[Any]:
    """Return the numbers of values whose type is fixed by them."""
    fixing = [value if isinstance(value, list) else [value] for value in unknown if inferred_type(value) is not None]
    integers = [n for one in fixing for n in one if isinstance(n, int) and not any(type(m) is float for m in one)]
    return integers + [n for one in fixing for n in one if isinstance(n, float)]


def test_the_first_value_fixes_the_type() -> None:
    assert inferred(
        {
            "yes": True,
            "count": 3,
            "share": 0.5,
            "word": TIME,
            "words": ["a", "b"],
            "counts": [1, 2],
            "shares": [1, 0.5],
            "flags": [True, False],
            "nothing": None,
            "place": PLACE,
            "empty": [],
            "mixed": [1, "a"],
            "flag and number": [True, 1],
            "with nothing": ["a", None],
            "nested": [["a"]],
        }
    ) == {
        "yes": "boolean",
        "count": "integer",
        "share": "float",
        "word": "string",
        "words": "list[string]",
        "counts": "list[integer]",
        "shares": "list[float]",
        "flags": "list[boolean]",
    }


def test_a_later_value_of_another_type_is_refused() -> None:
    _, after = check(MetadataSchema(), {"year": 2020, "share": 0.5})

    assert check(after, {"share": 1})[1] is after
    with pytest.raises(InvalidMetadata, match=r"metadata.year: must be an integer"):
        check(after, {"year": "2020"})


def test_what_fixes_nothing_leaves_the_field_to_a_later_value() -> None:
    _, noted = check(MetadataSchema(), {"tags": [], "year": None})
    _, after = check(noted, {"tags": ["a"], "year": 1})

    assert (noted.version, noted.era, after.version) == (1, 1, 2)
    assert noted.loose == frozenset({(Level.CHUNK, "tags")})
    assert after.loose == frozenset()
    assert after.era == 2, "rows hold an empty list that is a value from now on"


def test_a_new_name_alone_leaves_the_era() -> None:
    _, after = check(MetadataSchema(), {"year": 1})

    assert (after.version, after.era, after.documents) == (2, 1, {})


def test_open_takes_what_is_no_field_without_a_look() -> None:
    opened = schema(SchemaMode.OPEN, year={"type": "integer"})

    stored, after = check(opened, {"year": 1, "a": [1, "x"], "": 2, "\0": {}})

    assert stored == {"year": 1, "a": [1, "x"], "": 2, "\0": {}}
    assert after.chunks == opened.chunks
    assert after.may_hold(Level.CHUNK, "a")
    assert not after.may_hold(Level.CHUNK, "b")


def test_many_loose_names_are_not_kept_apart() -> None:
    _, after = check(MetadataSchema(SchemaMode.OPEN), {f"name {n}": n for n in range(MAX_LOOSE + 1)})

    assert after.loose is None
    assert after.may_hold(Level.DOCUMENT, "any")


def test_defaults_fill_what_is_left_out_or_null() -> None:
    filled = schema(a={"type": "integer", "default": 0, "required": True}, b={"type": "string"})

    assert check(filled, {})[0] == {"a": 0}
    assert check(filled, {"a": None, "b": "x"})[0] == {"a": 0, "b": "x"}
    assert check(filled, {"a": 5})[0] == {"a": 5}


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        ({"type": "integer", "min": 1, "max": 3}, [1, 3], [0, 4]),
        ({"type": "float", "min": 0.5}, [0.5, 1], [0.25]),
        ({"type": "string", "min": 1, "max": 2}, ["a", "éé"], ["", "abc"]),
        ({"type": "text", "max": 2}, [""], ["abc"]),
        ({"type": "list[integer]", "min": 1, "max": 2}, [[9], [9, 9]], [[], [1, 2, 3]]),
        ({"type": "datetime", "min": "2026-01-01T00:00:00+02:00"}, ["2025-12-31T22:00:00Z"], ["2025-12-31T21:59:59Z"]),
        ({"type": "string", "allowed": ["a", "b"]}, ["a"], ["c", ""]),
        ({"type": "list[string]", "allowed": ["a", "b"]}, [[], ["b", "a", "b"]], [["a", "c"]]),
        ({"type": "uuid", "allowed": [ID.upper()]}, [ID, ID.upper()], [ID.replace("0", "1")]),
        ({"type": "float", "allowed": [1]}, [1, 1.0], [2]),
    ],
)
def test_allowed_values_and_bounds_hold(declared: JsonObject, good: list[Any], bad: list[Any]) -> None:
    bounded = schema(a=declared)

    assert [check(bounded, {"a": value})[0]["a"] for value in good] == good
    for value in bad:
        with pytest.raises(InvalidMetadata):
            check(bounded, {"a": value})


@pytest.mark.parametrize("mode", [SchemaMode.INFERRED, SchemaMode.OPEN])
def test_a_name_that_begins_like_a_key_is_refused(mode: SchemaMode) -> None:
    with pytest.raises(InvalidMetadata, match=r"U\+001B"):
        check(MetadataSchema(mode), {"\x1ba": 1})


@pytest.mark.parametrize("name", ["", "a" * 129, "a\nb", "\ud800"])
def test_no_field_is_inferred_under_a_name_none_can_have(name: str) -> None:
    stored, after = check(MetadataSchema(), {name: 1})

    assert (stored, after.chunks) == ({name: 1}, {})
    assert after.may_hold(Level.CHUNK, name)


def test_fields_are_inferred_up_to_the_limit() -> None:
    _, full = check(MetadataSchema(), {f"f{n}": n for n in range(MAX_FIELDS)})

    with pytest.raises(InvalidMetadata, match=r"1000 fields"):
        check(full, {"one more": 1})
    assert accepted(full, Level.DOCUMENT, {"other level": 1})[1].documents.keys() == {"other level"}
    assert len(declarations(full)["chunks"]) == MAX_FIELDS  # type: ignore[arg-type]  # an object


def test_nothing_is_nothing() -> None:
    empty: JsonObject = {}

    stored, after = check(MetadataSchema(), empty)

    assert stored is empty
    assert after == MetadataSchema()


def test_defaults_make_no_more_of_metadata_than_it_may_be() -> None:
    made = schema(long={"type": "string", "default": "x" * 40_000})

    assert len(check(made, {"a": "x" * 20_000})[0]) == 2
    with pytest.raises(InvalidMetadata) as refused:
        check(made, {"a": "x" * 30_000})

    assert refused.value.facts["field"] == "metadata.long"
