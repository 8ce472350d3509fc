from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, Column, FieldType, Level, ScalarType
from pergamum.domain.filter_checking import checked, column_of, operators
from pergamum.domain.filter_reading import MAX_VALUES, read_filter
from pergamum.domain.filters import And, Filter, Not, Op, Or, Test
from pergamum.domain.json import Json
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode
from pergamum.errors import InvalidFilter, UnknownField
from tests.support.random_filters import TYPES, filters, names, schemas

CHUNK, DOCUMENT = Level.CHUNK, Level.DOCUMENT

EQUALITY = {"eq", "ne", "in", "nin", "exists", "is_null"}
ORDERED = EQUALITY | {"gt", "gte", "lt", "lte", "between"}
TAKES = {
    "string": ORDERED | {"starts_with", "contains"},
    "text": {"matches", "starts_with", "contains", "exists", "is_null"},
    "integer": ORDERED,
    "float": ORDERED,
    "boolean": EQUALITY,
    "datetime": ORDERED,
    "uuid": EQUALITY,
    "geo_point": {"within", "exists", "is_null"},
}
LISTS_TAKE = {"any_of", "all_of", "none_of", "len", "exists", "is_null"}
IDS_TAKE = {"eq", "ne", "in", "nin"}
UUID = "0b4c1f9e-52a3-4f0e-9d5a-7a3f6a1c2b3d"
TIME = "2026-01-01T00:00:00Z"
FITS: list[tuple[Json, set[str]]] = [
    (True, {"boolean"}),
    (3, {"integer", "float"}),
    (2.5, {"float"}),
    ("x", {"string", "text"}),
    (UUID, {"string", "text", "uuid"}),
    (TIME, {"string", "text", "datetime"}),
]
"""Values and the types of fields that they are values of."""
AREA: Json = {"south": 1, "west": 2, "north": 3, "east": 4}
OF_ONE_SHAPE: dict[str, Json] = {"exists": True, "is_null": False, "len": 2, "within": AREA}
PAIRS = {"between"}
LISTS = {"in", "nin", "any_of", "all_of", "none_of"}


def schema(**fields: FieldType) -> MetadataSchema:
    """Fields of chunks, each kept under another key."""
    return MetadataSchema(
        SchemaMode.STRICT, {}, {name: MetadataField(f"key of {name}", t) for name, t in fields.items()}
    )


def as_test(kind: FieldType, op: str, value: Json) -> Test:
    """Return the condition on a field of the type, checked."""
    found = checked(read_filter({"field": "x", "op": op, "value": value}), schema(x=kind), CHUNK)
    assert isinstance(found, Test)
    return found


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("op", Op)
def test_each_operator_takes_the_values_of_each_type_that_fit_and_no_others(op: Op, kind: FieldType) -> None:
    takes = LISTS_TAKE if kind.many else TAKES[kind.scalar]
    for value, types in FITS:
        asked: Json = [value, value] if op in PAIRS | LISTS else value
        fits = kind.scalar in types or (value == 2.5 and kind.scalar == "integer" and op in ORDERED - EQUALITY)
        if op in OF_ONE_SHAPE:
            asked, fits = OF_ONE_SHAPE[op], True
        if op in {"matches", "starts_with", "contains"} and not isinstance(value, str):
            continue  # refused by its shape, whatever the field
        if op in takes and fits:
            assert as_test(kind, op, asked).column == Column(CHUNK, "key of x", kind, metadata=True)
            continue
        with pytest.raises(InvalidFilter, match=r"'x' is of type ") as caught:
            as_test(kind, op, asked)
        assert caught.value.facts["field_name"] == "x"
        assert caught.value.facts["field_type"] == str(kind)


@pytest.mark.parametrize(
    ("column", "takes"),
    [
        (DOCUMENT_COLUMNS["id"], IDS_TAKE),
        (CHUNK_COLUMNS["id"], IDS_TAKE),
        (CHUNK_COLUMNS["document_id"], IDS_TAKE),
        (CHUNK_COLUMNS["text"], {"matches"}),
        (DOCUMENT_COLUMNS["title"], TAKES["string"] | {"matches"}),
        (DOCUMENT_COLUMNS["author"], TAKES["string"]),
        (DOCUMENT_COLUMNS["tags"], LISTS_TAKE),
        (CHUNK_COLUMNS["page_number"], ORDERED),
        (DOCUMENT_COLUMNS["created_at"], ORDERED),
        (Column(CHUNK, "id", FieldType(ScalarType.STRING), metadata=True), TAKES["string"]),
        (Column(CHUNK, "text", FieldType(ScalarType.TEXT), metadata=True), TAKES["text"]),
        (Column(DOCUMENT, "title", FieldType(ScalarType.STRING), metadata=True), TAKES["string"]),
    ],
)
def test_fixed_fields_take_what_can_be_answered(column: Column, takes: set[str]) -> None:
    assert set(operators(column)) == takes
    assert len(operators(column)) == len(takes)


INTEGER = FieldType(ScalarType.INTEGER)
SAMPLE = MetadataSchema(
    documents={name: MetadataField(f"D {name}", INTEGER) for name in ("year", "both", "id", "chunk.year", "odd name")},
    chunks={name: MetadataField(f"C {name}", INTEGER) for name in ("both", "title", "document.both", "metadata.both")},
)


@pytest.mark.parametrize(
    ("name", "level", "key"),
    [
        ("id", CHUNK, "chunk id"),
        ("id", DOCUMENT, "document id"),
        ("version", CHUNK, "chunk version"),
        ("title", CHUNK, "document title"),
        ("chunks", CHUNK, "document chunks"),
        ("year", CHUNK, "document D year"),
        ("both", CHUNK, "chunk C both"),
        ("both", DOCUMENT, "document D both"),
        ("odd name", CHUNK, "document D odd name"),
        ("chunk.id", CHUNK, "chunk id"),
        ("document.id", CHUNK, "document id"),
        ("document.id", DOCUMENT, "document id"),
        ("document.year", DOCUMENT, "document D year"),
        ("chunk.title", CHUNK, "chunk C title"),
        ("metadata.title", CHUNK, "chunk C title"),
        ("metadata.id", CHUNK, "document D id"),
        ("metadata.id", DOCUMENT, "document D id"),
        ("document.metadata.id", CHUNK, "document D id"),
        ("document.metadata.both", CHUNK, "document D both"),
        ("chunk.metadata.both", CHUNK, "chunk C metadata.both"),
        ("chunk.metadata.title", CHUNK, "chunk C title"),
        ("document.both", CHUNK, "chunk C document.both"),
        ("metadata.both", CHUNK, "chunk C metadata.both"),
        ("chunk.year", CHUNK, "document D chunk.year"),
        ("chunk.year", DOCUMENT, "document D chunk.year"),
        ("metadata.metadata.both", CHUNK, "chunk C metadata.both"),
    ],
)
def test_a_name_means_the_first_field_that_has_it(name: str, level: Level, key: str) -> None:
    found = column_of(name, SAMPLE, level)

    assert f"{found.level} {found.key}" == key
    assert found.metadata == found.key.startswith(("C ", "D "))


@pytest.mark.parametrize(
    ("name", "level", "nearest"),
    [
        ("yaer", CHUNK, "year"),
        ("page_nmber", CHUNK, "page_number"),
        ("page_number", DOCUMENT, None),
        ("chunk.both", DOCUMENT, "both"),
        ("document.titel", CHUNK, "document.title"),
        ("metadata.yaer", CHUNK, "metadata.year"),
        ("metadata.author", CHUNK, "author"),
        ("chunk.title.", CHUNK, "chunk.title"),
        ("chunk.tags", CHUNK, "tags"),
        ("chunk.chunk.id", CHUNK, "id"),
        ("document.boht", CHUNK, "document.both"),
        ("documnt.both", CHUNK, "document.both"),
        ("metadata.titel", DOCUMENT, "title"),
        ("metadata", CHUNK, "metadata.both"),
        ("document.", CHUNK, "document.both"),
        ("x" * 1_024, CHUNK, None),
        ("", CHUNK, None),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, level: Level, nearest: str | None) -> None:
    with pytest.raises(UnknownField) as caught:
        column_of(name, SAMPLE, level)

    assert caught.value.facts == {"field": name, "level": level.value, "nearest": nearest}
    if nearest is not None:
        assert f"did you mean '{nearest}'?" in str(caught.value)
        column_of(nearest, SAMPLE, level)  # is known


def test_a_field_that_is_only_open_is_unknown() -> None:
    with pytest.raises(UnknownField):
        column_of("extra", MetadataSchema(SchemaMode.OPEN), CHUNK)


def test_a_fault_is_found_wherever_it_is_in_the_tree() -> None:
    asked = read_filter({"and": [{"or": []}, {"not": {"field": "x", "op": "in", "value": [1, 2, "3"]}}]})

    with pytest.raises(InvalidFilter) as caught:
        checked(asked, schema(x=INTEGER), CHUNK)

    assert caught.value.facts == {
        "field": "filter.and.1.not.value.2",
        "reason": "'x' is of type integer: must be an integer",
        "field_name": "x",
        "field_type": "integer",
    }


def test_empty_joins_stay_as_they_are() -> None:
    empty: Filter = And((Or(()), Not(And(()))))

    found: object = checked(empty, MetadataSchema(), DOCUMENT)

    assert found == empty


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (ScalarType.FLOAT, 3, 3.0),
        (ScalarType.FLOAT, 2**53 + 1, 2.0**53),
        (ScalarType.FLOAT, -0.0, 0.0),
        (ScalarType.UUID, UUID.upper(), UUID),
        (ScalarType.DATETIME, "2026-01-01t01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_values_become_those_of_the_field(kind: ScalarType, raw: Json, value: object) -> None:
    found = as_test(FieldType(kind), "eq", raw).value

    assert repr(found) == repr(value)


def test_a_list_keeps_each_value_once() -> None:
    assert as_test(FieldType(ScalarType.UUID), "in", [UUID.upper(), UUID]).value == (UUID,)
    assert as_test(FieldType(ScalarType.FLOAT), "nin", [2, 1, 2.0, -0.0, 0]).value == (2.0, 1.0, 0.0)
    assert as_test(FieldType(ScalarType.STRING, many=True), "all_of", ["b", "a", "b"]).value == ("b", "a")
    assert as_test(FieldType(ScalarType.INTEGER), "between", [1, 1]).value == (1, 1)


@given(has=st.integers(-5, 5), than=st.integers(-12, 12).map(lambda half: half / 2), other=st.floats(-5, 5))
@settings(max_examples=100)
def test_a_fraction_orders_integers_as_it_did_before_it_was_rounded(has: int, than: float, other: float) -> None:
    between = as_test(INTEGER, "between", [than, other]).value
    assert isinstance(between, tuple)
    bounds = {op: as_test(INTEGER, op, than).value for op in ("gt", "gte", "lt", "lte")}

    assert all(type(bound) is int for bound in (*bounds.values(), *between))
    assert (has > bounds["gt"], has >= bounds["gte"]) == (has > than, has >= than)  # type: ignore[operator]  # integers
    assert (has < bounds["lt"], has <= bounds["lte"]) == (has < than, has <= than)  # type: ignore[operator]  # integers
    assert (between[0] <= has <= between[1]) == (than <= has <= other)  # type: ignore[operator]  # integers


@pytest.mark.parametrize("far", [1e300, -1e300, 2.0**63])
def test_a_number_beyond_64_bits_is_refused(far: float) -> None:
    with pytest.raises(InvalidFilter, match="64 bits"):
        as_test(INTEGER, "lt", far)


@pytest.mark.parametrize("query", ["", " ", '"" * -', "word " * 65])
def test_matches_wants_words_but_not_too_many(query: str) -> None:
    with pytest.raises(InvalidFilter, match="from 1 to 64 words"):
        as_test(FieldType(ScalarType.TEXT), "matches", query)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ScalarType.INTEGER, [*range(MAX_VALUES)]),
        (ScalarType.STRING, [f"größe {at}" for at in range(MAX_VALUES)]),
        (ScalarType.DATETIME, [f"2026-01-01T00:00:00.{at:06}Z" for at in range(MAX_VALUES)]),
    ],
)
def test_a_list_as_long_as_allowed_is_checked(kind: ScalarType, values: list[Json]) -> None:
    found = as_test(FieldType(kind), "in", values).value

    assert isinstance(found, tuple)
    assert len(found) == MAX_VALUES


@given(data=st.data())
@settings(max_examples=40)
def test_every_value_of_a_checked_filter_is_of_the_type_of_its_column(data: st.DataObject) -> None:
    drawn = data.draw(schemas(renamed=True))
    level = data.draw(st.sampled_from(Level))

    found = checked(data.draw(filters(drawn, level)), drawn, level)

    for test in _tests(found):
        values = test.value if isinstance(test.value, tuple) else (test.value,)
        if test.op not in {Op.EXISTS, Op.IS_NULL, Op.LEN, Op.WITHIN}:
            assert {type(value) for value in values} <= {PYTHON[test.column.type.scalar]}


PYTHON: dict[ScalarType, type] = {
    ScalarType.STRING: str,
    ScalarType.TEXT: str,
    ScalarType.UUID: str,
    ScalarType.INTEGER: int,
    ScalarType.FLOAT: float,
    ScalarType.BOOLEAN: bool,
    ScalarType.DATETIME: datetime,
}


def _tests(tree: And[Test] | Or[Test] | Not[Test] | Test) -> list[Test]:
    if isinstance(tree, Test):
        return [tree]
    parts = (tree.part,) if isinstance(tree, Not) else tree.parts
    return [test for part in parts for test in _tests(part)]


@given(drawn=schemas(), level=st.sampled_from(Level))
@settings(max_examples=25)
def test_names_that_random_filters_use_are_known(drawn: MetadataSchema, level: Level) -> None:
    assert all(column_of(name, drawn, level).level in {level, DOCUMENT} for name in names(drawn, level))
