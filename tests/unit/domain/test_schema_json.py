"""Declarations are read or refused, and a schema comes back from what is stored of it."""

import json
from dataclasses import replace

import pytest

from pergamum.domain.fields import FieldType, Level, ScalarType
from pergamum.domain.json import JsonObject
from pergamum.domain.schema import MetadataField, MetadataSchema, SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges, changed
from pergamum.domain.schema_json import declarations, declared_schema, schema_json, schema_of
from pergamum.errors import InvalidField

DECLARED: dict[str, JsonObject] = {
    "year": {"type": "integer", "required": True, "default": 0, "allowed": None, "min": 0, "max": 3_000},
    "kind": {"type": "string", "required": False, "default": "b", "allowed": ["a", "b"], "min": 1, "max": None},
    "flags": {"type": "list[boolean]", "required": False, "default": [], "allowed": None, "min": None, "max": 3},
    "off": {"type": "boolean", "required": False, "default": False, "allowed": None, "min": None, "max": None},
    "at": {
        "type": "datetime",
        "required": False,
        "default": None,
        "allowed": None,
        "min": "2026-01-01T00:00:00Z",
        "max": "2026-01-01T00:00:00.000001Z",
    },
    "where": {
        "type": "geo_point",
        "required": False,
        "default": {"lat": 1, "lon": 2},
        "allowed": None,
        "min": None,
        "max": None,
    },
}


def test_a_schema_is_declared_as_it_was_written() -> None:
    schema = declared_schema(SchemaMode.STRICT, DECLARED, {"é": {"type": "uuid"}})

    assert declarations(schema) == {
        "mode": "strict",
        "documents": DECLARED,
        "chunks": {
            "é": {"type": "uuid", "required": False, "default": None, "allowed": None, "min": None, "max": None},
        },
    }
    assert schema.plain


def test_everything_of_a_schema_comes_back_from_its_json() -> None:
    schema = replace(
        declared_schema(SchemaMode.OPEN, DECLARED, {"a": {"type": "string"}, "b": {"type": "integer"}}),
        loose=frozenset({(Level.CHUNK, "x"), (Level.DOCUMENT, "\ud800")}),
        era=4,
    )
    changes = LevelChanges(rename={"a": "c"}, drop=("b",), change={"a": {"type": "list[string]"}})
    schema = changed(schema, SchemaChanges(chunks=changes))

    assert schema_of(json.loads(json.dumps(schema_json(schema)))) == schema
    assert schema_of(schema_json(replace(schema, loose=None))).loose is None
    assert schema_of(schema_json(MetadataSchema())) == MetadataSchema()


@pytest.mark.parametrize(
    ("declared", "part"),
    [
        ({}, "type"),
        ({"type": "number"}, "type"),
        ({"type": "list"}, "type"),
        ({"type": "list[text]"}, "type"),
        ({"type": "list[geo_point]"}, "type"),
        ({"type": "list[list[string]]"}, "type"),
        ({"type": "integer", "default": "1"}, "default"),
        ({"type": "integer", "default": 9, "max": 8}, "default"),
        ({"type": "string", "default": "c", "allowed": ["a"]}, "default"),
        ({"type": "list[string]", "default": "a"}, "default"),
        ({"type": "text", "allowed": ["a"]}, "allowed"),
        ({"type": "geo_point", "allowed": [{"lat": 1, "lon": 1}]}, "allowed"),
        ({"type": "string", "allowed": []}, "allowed"),
        ({"type": "string", "allowed": ["a", 1]}, "allowed.1"),
        ({"type": "integer", "allowed": [[1]]}, "allowed.0"),
        ({"type": "integer", "min": 2, "max": 1}, "min"),
        ({"type": "integer", "min": 0.5}, "min"),
        ({"type": "string", "max": "z"}, "max"),
        ({"type": "string", "min": -1}, "min"),
        ({"type": "list[integer]", "min": 0.5}, "min"),
        ({"type": "boolean", "min": 0}, "min"),
        ({"type": "uuid", "max": 3}, "max"),
        ({"type": "geo_point", "max": 3}, "max"),
        ({"type": "datetime", "min": "2026-01-01"}, "min"),
    ],
)
def test_a_bad_declaration_is_refused_by_the_part_at_fault(declared: JsonObject, part: str) -> None:
    with pytest.raises(InvalidField) as refused:
        declared_schema(SchemaMode.INFERRED, {"a": declared}, {})

    assert refused.value.facts["field"] == f"documents.a.{part}"


@pytest.mark.parametrize("name", ["", "x" * 129, "a\x00", "a\x7f", "\x1bx", "\udfff"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidField):
        declared_schema(SchemaMode.INFERRED, {}, {name: {"type": "string"}})


@pytest.mark.parametrize("name", ["x" * 128, "document.year", "a b", "🦊", "\u200b", "\ue000"])
def test_any_other_name_is_taken(name: str) -> None:
    schema = declared_schema(SchemaMode.INFERRED, {}, {name: {"type": "string"}})

    assert schema.chunks == {name: MetadataField(name, FieldType(ScalarType.STRING))}


def test_defaults_are_no_more_than_metadata_may_be() -> None:
    half: JsonObject = {"type": "string", "default": "x" * 40_000}

    assert declared_schema(SchemaMode.STRICT, {"a": half}, {"b": half}).documents["a"].default is not None
    with pytest.raises(InvalidField) as refused:
        declared_schema(SchemaMode.STRICT, {"a": half, "b": half}, {})

    assert refused.value.facts["field"] == "documents.b.default"


def test_more_fields_than_the_limit_are_refused() -> None:
    fields: dict[str, JsonObject] = {f"f{n}": {"type": "string"} for n in range(1_001)}

    with pytest.raises(InvalidField, match=r"1000 fields"):
        declared_schema(SchemaMode.INFERRED, {}, fields)
    del fields["f0"]
    assert len(declared_schema(SchemaMode.INFERRED, fields, fields).chunks) == 1_000
