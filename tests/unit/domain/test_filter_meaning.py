"""What each operator answers, example by example: the judge of the plain-Python evaluator that other tests trust."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import GeoPoint, Level, ScalarType
from pergamum.domain.filter_checking import checked
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.filters import Op
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.keywords import read_keywords
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode
from tests.support.filters import distance, holds
from tests.support.random_filters import QUERIES, TYPES, VALUES

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = {str(kind): MetadataField(f"key of {kind}", kind) for kind in TYPES}
SCHEMA = MetadataSchema(SchemaMode.STRICT, FIELDS, FIELDS)
"""Documents and chunks have a field of each type, named after it."""
METADATA: JsonObject = {
    "string": "Zürich",
    "text": "The moon pulls the sea.",
    "integer": 3,
    "float": 2.5,
    "boolean": False,
    "datetime": "2026-01-01T01:00:00+01:00",
    "uuid": "0B4C1F9E-52A3-4F0E-9D5A-7A3F6A1C2B3D",
    "geo_point": {"lat": -17.5, "lon": 179.9},
    "list[integer]": [1, 2, 2],
    "list[string]": [],
}
DOCUMENT = Document(
    id="d",
    title="The Sea",
    tags=("a", "b"),
    metadata={"integer": 7},
    chunks=1,
    created_at=NEW_YEAR,
    updated_at=NEW_YEAR,
)
CHUNK = Chunk(
    id="c", document_id="d", text="Étude №5", chunk_index=4, metadata=METADATA, created_at=NEW_YEAR, updated_at=NEW_YEAR
)
EMPTY = replace(CHUNK, metadata={"integer": None, "boolean": None})


def says(asked: Json, chunk: Chunk | None = CHUNK) -> bool:
    """Whether the filter holds for the chunk, or without one for the document."""
    level = Level.CHUNK if chunk else Level.DOCUMENT
    return holds(checked(read_filter(asked), SCHEMA, level), DOCUMENT, chunk, SCHEMA)


FIJI: JsonObject = {"lat": -17.5, "lon": -179.9}
ZURICH: JsonObject = {"lat": 47.4, "lon": 8.5}


@pytest.mark.parametrize(
    ("field", "op", "value", "answer"),
    [
        ("integer", "eq", 3, True),
        ("integer", "eq", 2, False),
        ("integer", "ne", 3, False),
        ("integer", "gt", 3, False),
        ("integer", "gt", 2.5, True),
        ("integer", "gte", 3, True),
        ("integer", "lt", 3, False),
        ("integer", "lt", 3.5, True),
        ("integer", "lte", 3, True),
        ("integer", "between", [3, 3], True),
        ("integer", "between", [4, 2], False),
        ("integer", "in", [1, 3], True),
        ("integer", "in", [], False),
        ("integer", "nin", [1, 3], False),
        ("integer", "nin", [], True),
        ("integer", "exists", True, True),
        ("integer", "exists", False, False),
        ("integer", "is_null", True, False),
        ("integer", "is_null", False, True),
        ("float", "between", [2, 3], True),
        ("boolean", "eq", False, True),
        ("boolean", "ne", True, True),
        ("string", "lt", "a", True),
        ("string", "gt", "Zz", True),
        ("string", "starts_with", "Zü", True),
        ("string", "starts_with", "zü", False),
        ("string", "starts_with", "", True),
        ("string", "contains", "rich", True),
        ("string", "contains", "Rich", False),
        ("datetime", "eq", "2026-01-01T00:00:00Z", True),
        ("datetime", "gt", "2025-12-31T23:59:59.999999Z", True),
        ("uuid", "eq", "0b4c1f9e-52a3-4f0e-9d5a-7a3f6a1c2b3d", True),
        ("metadata.text", "matches", "SEA moon", True),
        ("metadata.text", "matches", "sea sun", False),
        ("metadata.text", "matches", '"the moon"', True),
        ("metadata.text", "matches", '"moon the"', False),
        ("metadata.text", "matches", "pul*", True),
        ("metadata.text", "matches", "pul", False),
        ("metadata.text", "contains", "the sea.", True),
        ("list[integer]", "any_of", [9, 2], True),
        ("list[integer]", "any_of", [], False),
        ("list[integer]", "all_of", [2, 1], True),
        ("list[integer]", "all_of", [2, 9], False),
        ("list[integer]", "all_of", [], True),
        ("list[integer]", "none_of", [9], True),
        ("list[integer]", "none_of", [2], False),
        ("list[integer]", "len", 3, True),
        ("list[string]", "len", 0, True),
        ("list[string]", "len", {"gt": 0}, False),
        ("list[string]", "exists", True, True),
        ("geo_point", "within", {"center": FIJI, "radius": 21_300}, True),
        ("geo_point", "within", {"center": FIJI, "radius": 21_100}, False),
        ("geo_point", "within", {"south": -18, "west": 179, "north": -17, "east": -179}, True),
        ("geo_point", "within", {"south": -18, "west": -179, "north": -17, "east": 179}, False),
        ("geo_point", "within", {"south": -17.5, "west": 0, "north": -17.5, "east": 179.9}, True),
        ("geo_point", "within", {"center": ZURICH, "radius": 1}, False),
        ("text", "matches", "étude NO5", True),
        ("document.integer", "eq", 7, True),
        ("chunk.metadata.integer", "eq", 3, True),
        ("id", "eq", "c", True),
        ("document.id", "in", ["d"], True),
        ("document_id", "ne", "d", False),
        ("title", "matches", "sea", True),
        ("author", "is_null", True, True),
        ("tags", "all_of", ["a", "b"], True),
        ("chunk_index", "gte", 4, True),
        ("page_number", "exists", False, True),
        ("created_at", "lte", "2026-01-01T00:00:00Z", True),
    ],
)
def test_a_condition_on_a_chunk(field: str, op: str, value: Json, answer: bool) -> None:
    asked: Json = {"field": field, "op": op, "value": value}

    assert says(asked) is answer
    assert says({"not": asked}) is not answer


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("integer", "ne", 3),
        ("integer", "nin", [3]),
        ("integer", "is_null", True),
        ("integer", "exists", False),
        ("list[integer]", "none_of", [1]),
        ("boolean", "ne", True),
        ("boolean", "ne", False),
    ],
)
def test_what_holds_where_there_is_no_value(field: str, op: str, value: Json) -> None:
    assert says({"field": field, "op": op, "value": value}, EMPTY)


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("integer", "eq", 3),
        ("integer", "gt", 0),
        ("integer", "lte", 0),
        ("integer", "in", [3]),
        ("integer", "between", [-9, 9]),
        ("integer", "exists", True),
        ("integer", "is_null", False),
        ("string", "contains", ""),
        ("string", "starts_with", ""),
        ("text", "contains", ""),
        ("geo_point", "within", {"center": FIJI, "radius": 2.1e7}),
        ("list[integer]", "any_of", [1]),
        ("list[integer]", "all_of", []),
        ("list[integer]", "len", 0),
        ("list[integer]", "len", {"gte": 0}),
    ],
)
def test_what_fails_where_there_is_no_value(field: str, op: str, value: Json) -> None:
    name = f"chunk.metadata.{field}"

    assert not says({"field": name, "op": op, "value": value}, EMPTY)
    assert says({"not": {"field": name, "op": op, "value": value}}, EMPTY)


def test_joins() -> None:
    yes: Json = {"field": "integer", "op": "eq", "value": 3}
    no: Json = {"not": yes}

    assert [says({"and": []}), says({"and": [yes]}), says({"and": [yes, no]})] == [True, True, False]
    assert [says({"or": []}), says({"or": [no]}), says({"or": [no, yes]})] == [False, False, True]


def test_a_filter_over_documents_sees_documents_only() -> None:
    assert says({"field": "integer", "op": "eq", "value": 7}, chunk=None)
    assert says({"field": "chunks", "op": "eq", "value": 1}, chunk=None)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (GeoPoint(52.5, 13.4), GeoPoint(52.5, 13.4), 0),
        (GeoPoint(0, 0), GeoPoint(0, 180), 20_015_115),
        (GeoPoint(90, 0), GeoPoint(-90, 77), 20_015_115),
        (GeoPoint(0, 179.5), GeoPoint(0, -179.5), 111_195),
        (GeoPoint(36.12, -86.67), GeoPoint(33.94, -118.4), 2_886_448),
    ],
)
def test_distances(one: GeoPoint, other: GeoPoint, metres: float) -> None:
    assert distance(one, other) == pytest.approx(metres, abs=1)
    assert distance(other, one) == distance(one, other)


def test_the_naive_words_find_what_the_words_of_the_index_do() -> None:
    for text in map(str, VALUES[ScalarType.TEXT]):
        chunk = replace(CHUNK, text=text)
        found = {query: says({"field": "text", "op": Op.MATCHES.value, "value": query}, chunk) for query in QUERIES}

        assert found == {query: read_keywords(query).holds_in(text) for query in QUERIES}
