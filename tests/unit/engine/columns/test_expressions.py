"""Each operator on the values at the edges of its type; None: no value, which only negations hold for."""

from collections.abc import Sequence

import pytest

from pergamum.domain.chunk import Chunk
from pergamum.domain.fields import Column, FieldType, GeoPoint, Level, ScalarType
from pergamum.domain.filters import Box, Circle, LenRange, Op, Test, Value
from pergamum.domain.json import Json
from pergamum.domain.schema import MetadataField, MetadataSchema
from pergamum.domain.values import Misfit, typed
from pergamum.engine.columns.building import ChunkRow, chunk_frame
from pergamum.engine.columns.expressions import predicate
from pergamum.engine.columns.run import Run
from tests.support.library import NOW
from tests.support.random_filters import TYPES, VALUES

STRINGS: list[Json] = ["", "a", "ab", "é", "\uffff", "\U0001f600", None]
INTEGERS: list[Json] = [-(2**63), 0, 2**53 + 1, 2**63 - 1, None]
FLOATS: list[Json] = [-0.0, 0, 0.1, 2**53 + 1, None]
TIMES: list[Json] = ["0001-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "9999-12-31T23:59:59.999999Z", None]
BOOLEANS: list[Json] = [False, True, None]
LISTS: list[Json] = [[], [1], [1, 1], [1, 2], None]
TEXTS: list[Json] = ["", "The moon; the sea", "moonlight", "東京 Étude", "x" * 300, None]
PLACES: list[Json] = [
    {"lat": 0, "lon": 0},
    {"lat": -17, "lon": 179.5},
    {"lat": -17.5, "lon": -179.5},
    {"lat": 90, "lon": 45},
    None,
]

STRING, INTEGER, FLOAT, BOOLEAN, TIME, TEXT, PLACE = (
    FieldType(kind)
    for kind in (
        ScalarType.STRING,
        ScalarType.INTEGER,
        ScalarType.FLOAT,
        ScalarType.BOOLEAN,
        ScalarType.DATETIME,
        ScalarType.TEXT,
        ScalarType.GEO_POINT,
    )
)
LIST = FieldType(ScalarType.INTEGER, many=True)


def run_of(kind: FieldType, values: Sequence[Json]) -> Run:
    """Return the run of chunks that have these values in the field `n`; null stands for itself."""
    schema = MetadataSchema(chunks={"n": MetadataField("n", kind)})
    rows = [ChunkRow(1, _chunk(at, {"n": value}), schema) for at, value in enumerate(values)]
    return Run(chunk_frame([*rows, None], schema), 0)  # the last row is that of a slot without a chunk


def _chunk(at: int, metadata: dict[str, Json]) -> Chunk:
    return Chunk(
        id=str(at), document_id="d", text="", chunk_index=at, metadata=metadata, created_at=NOW, updated_at=NOW
    )


def holds(kind: FieldType, values: Sequence[Json], op: Op, value: Value) -> str:
    """Return 1 for each value the condition holds for, 0 for the others."""
    column = Column(Level.CHUNK, "n", kind, metadata=True)
    flags = predicate(Test(column, op, value))(run_of(kind, values))
    assert flags[-1] == flags[-2], "a slot without a chunk is like one without a value"
    return "".join("01"[int(flag)] for flag in flags[:-1])


def time(text: str) -> Value:
    return typed(TIME, text)


@pytest.mark.parametrize(
    ("kind", "values", "op", "value", "expected"),
    [
        (STRING, STRINGS, Op.EQ, "", "1000000"),
        (STRING, STRINGS, Op.NE, "", "0111111"),
        (STRING, STRINGS, Op.IN, ("a", "é"), "0101000"),
        (STRING, STRINGS, Op.IN, (), "0000000"),
        (STRING, STRINGS, Op.NIN, ("a", "é"), "1010111"),
        (STRING, STRINGS, Op.NIN, (), "1111111"),
        (STRING, STRINGS, Op.GT, "é", "0000110"),
        (STRING, STRINGS, Op.GT, "\uffff", "0000010"),
        (STRING, STRINGS, Op.LTE, "a", "1100000"),
        (STRING, STRINGS, Op.BETWEEN, ("a", "ab"), "0110000"),
        (STRING, STRINGS, Op.BETWEEN, ("b", "a"), "0000000"),
        (STRING, STRINGS, Op.STARTS_WITH, "", "1111110"),
        (STRING, STRINGS, Op.CONTAINS, "b", "0010000"),
        (STRING, ["a.c", "abc"], Op.CONTAINS, "a.c", "10"),
        (STRING, STRINGS, Op.EXISTS, True, "1111110"),
        (STRING, STRINGS, Op.EXISTS, False, "0000001"),
        (STRING, STRINGS, Op.IS_NULL, True, "0000001"),
        (STRING, STRINGS, Op.IS_NULL, False, "1111110"),
        (INTEGER, INTEGERS, Op.EQ, 2**53 + 1, "00100"),
        (INTEGER, INTEGERS, Op.GT, 2**53, "00110"),
        (INTEGER, INTEGERS, Op.GTE, -(2**63), "11110"),
        (INTEGER, INTEGERS, Op.LT, 2**63 - 1, "11100"),
        (INTEGER, INTEGERS, Op.IN, (0, 2**63 - 1), "01010"),
        (INTEGER, INTEGERS, Op.BETWEEN, (-1, 2**53 + 1), "01100"),
        (FLOAT, FLOATS, Op.EQ, 0.0, "11000"),
        (FLOAT, FLOATS, Op.IN, (0.0, 0.1), "11100"),
        (FLOAT, FLOATS, Op.LT, 0.1, "11000"),
        (BOOLEAN, BOOLEANS, Op.EQ, False, "100"),
        (BOOLEAN, BOOLEANS, Op.NE, False, "011"),
        (BOOLEAN, BOOLEANS, Op.IN, (True,), "010"),
        (TIME, TIMES, Op.EQ, time("2026-01-01T00:00:00Z"), "0100"),
        (TIME, TIMES, Op.GTE, time("9999-12-31T23:59:59.999999Z"), "0010"),
        (TIME, TIMES, Op.LTE, time("0001-01-01T00:00:00Z"), "1000"),
        (TIME, TIMES, Op.IN, (time("2025-12-31T23:00:00-01:00"),), "0100"),
        (LIST, LISTS, Op.ANY_OF, (1, 3), "01110"),
        (LIST, LISTS, Op.ANY_OF, (), "00000"),
        (LIST, LISTS, Op.NONE_OF, (1, 3), "10001"),
        (LIST, LISTS, Op.NONE_OF, (), "11111"),
        (LIST, LISTS, Op.ALL_OF, (1, 2), "00010"),
        (LIST, LISTS, Op.ALL_OF, (), "11110"),
        (LIST, LISTS, Op.LEN, LenRange(0, 0), "10000"),
        (LIST, LISTS, Op.LEN, LenRange(low=2), "00110"),
        (LIST, LISTS, Op.LEN, LenRange(), "11110"),
        (LIST, LISTS, Op.LEN, LenRange(low=-(2**62), high=2**62), "11110"),
        (LIST, LISTS, Op.EXISTS, True, "11110"),
        (TEXT, TEXTS, Op.MATCHES, "MOON sea", "010000"),
        (TEXT, TEXTS, Op.MATCHES, '"the moon"', "010000"),
        (TEXT, TEXTS, Op.MATCHES, '"moon sea"', "000000"),
        (TEXT, TEXTS, Op.MATCHES, "moo*", "011000"),
        (TEXT, TEXTS, Op.MATCHES, "etude", "000100"),
        (TEXT, TEXTS, Op.MATCHES, "京", "000100"),
        (TEXT, TEXTS, Op.MATCHES, "x" * 255, "000010"),
        (TEXT, TEXTS, Op.MATCHES, "x" * 45, "000010"),
        (TEXT, TEXTS, Op.MATCHES, "moo.*", "000000"),
        (TEXT, TEXTS, Op.CONTAINS, "The", "010000"),
        (PLACE, PLACES, Op.WITHIN, Circle(GeoPoint(0, 0), 0), "10000"),
        (PLACE, PLACES, Op.WITHIN, Circle(GeoPoint(-17.2, 180), 150_000), "01100"),
        (PLACE, PLACES, Op.WITHIN, Circle(GeoPoint(90, -120), 1), "00010"),
        (PLACE, PLACES, Op.WITHIN, Circle(GeoPoint(0, 0), 30_000_000), "11110"),
        (PLACE, PLACES, Op.WITHIN, Box(-17.5, 179.5, -17, -179.5), "01100"),
        (PLACE, PLACES, Op.WITHIN, Box(-90, -180, 90, 180), "11110"),
        (PLACE, PLACES, Op.WITHIN, Box(0, 0, 0, 0), "10000"),
        (PLACE, PLACES, Op.EXISTS, True, "11110"),
        (PLACE, PLACES, Op.IS_NULL, True, "00001"),
    ],
)
def test_an_operator(kind: FieldType, values: list[Json], op: Op, value: Value, expected: str) -> None:
    assert holds(kind, values, op, value) == expected


@pytest.mark.parametrize("op", [Op.NE, Op.NIN, Op.NONE_OF, Op.EQ, Op.IN, Op.ANY_OF, Op.ALL_OF, Op.IS_NULL, Op.EXISTS])
def test_a_field_that_no_row_has_is_like_a_null(op: Op) -> None:
    kind = LIST if op in {Op.ANY_OF, Op.NONE_OF, Op.ALL_OF} else INTEGER
    value: Value = True if op in {Op.IS_NULL, Op.EXISTS} else 1 if op in {Op.EQ, Op.NE} else (1,)

    assert holds(kind, [None], op, value) == ("1" if op in {Op.NE, Op.NIN, Op.NONE_OF, Op.IS_NULL} else "0")


STRAY: list[Json] = [
    "x",
    "",
    1,
    0,
    1.5,
    10**400,
    True,
    None,
    [],
    [1],
    ["x"],
    [None],
    {"lat": 1, "lon": 2},
    {"lat": 1},
    "\ud800",
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_what_does_not_fit_is_no_value(kind: FieldType) -> None:
    scalar = kind.scalar
    values: list[Json] = [*STRAY, *VALUES[scalar], [*VALUES[scalar]], *([value] for value in STRAY)]

    exists = holds(kind, values, Op.EXISTS, True)

    assert exists == "".join("01"[_fits(kind, value)] for value in values)


def _fits(kind: FieldType, value: Json) -> bool:
    """Whether the value is one of the type, as the domain says; a lone surrogate is no text."""
    if value is None or "\ud800" in (value if isinstance(value, list) else [value]):
        return False
    try:
        typed(kind, value)
    except (Misfit, OverflowError):
        return False
    return True
