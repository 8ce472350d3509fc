"""A schema changes without its rows: names and values stay what they were, or the change asks to look at the rows."""

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pergamum.domain.fields import FieldType, Level, ScalarType
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.metadata import accepted
from pergamum.domain.schema import MetadataSchema, SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges, changed, demands, widens
from pergamum.domain.schema_json import declared_schema, schema_json, schema_of, type_of
from pergamum.domain.schema_keys import named, stored
from pergamum.errors import InvalidField, InvalidMetadata

LEVEL = Level.CHUNK
NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
values: st.SearchStrategy[Json] = st.sampled_from([None, 1, 2.5, "x", [], ["x"], [1], {"k": 1}])


class SchemaModel(RuleBasedStateMachine):
    """Rows by keys beside the same rows as a client would keep them: by names, with no value for null."""

    def __init__(self) -> None:
        super().__init__()
        self.schema = MetadataSchema()
        self.rows: list[JsonObject] = []
        self.expected: list[JsonObject] = []

    @rule(metadata=st.dictionaries(names, values))
    def write(self, metadata: JsonObject) -> None:
        try:
            metadata, self.schema = accepted(self.schema, LEVEL, metadata)
        except InvalidMetadata:
            return
        self.rows.append(stored(self.schema, LEVEL, metadata))
        self.expected.append(dict(metadata))

    @rule(name=names)
    def drop(self, name: str) -> None:
        if self._change(LevelChanges(drop=(name,))):
            for row in self.expected:
                row.pop(name, None)

    @rule(old=names, new=names)
    def rename(self, old: str, new: str) -> None:
        if self._change(LevelChanges(rename={old: new})):
            for row in self.expected:
                if old in row:
                    row[new] = row.pop(old)

    @rule(one=names, other=names)
    def swap(self, one: str, other: str) -> None:
        if one != other and self._change(LevelChanges(rename={one: other, other: one})):
            for row in self.expected:
                held = {swapped: row.pop(name) for name, swapped in ((one, other), (other, one)) if name in row}
                row.update(held)

    @rule(name=names, kind=st.sampled_from(["integer", "string", "list[integer]"]))
    def add(self, name: str, kind: str) -> None:
        self._change(LevelChanges(add={name: {"type": kind}}))

    @rule(name=names, kind=st.sampled_from(["integer", "string"]))
    def replace(self, name: str, kind: str) -> None:
        if self._change(LevelChanges(drop=(name,), add={name: {"type": kind}})):
            for row in self.expected:
                row.pop(name, None)

    @rule(name=names)
    def widen(self, name: str) -> None:
        known = self.schema.chunks.get(name)
        if known is None or not self._change(LevelChanges(change={name: {"type": f"list[{known.type.scalar}]"}})):
            return
        for row in self.expected:
            if isinstance(row.get(name), int | float | str) and not known.type.many:
                row[name] = [row[name]]

    @rule(mode=st.sampled_from(SchemaMode))
    def mode(self, mode: SchemaMode) -> None:
        self._change(LevelChanges(), mode)

    @rule()
    def store_again(self) -> None:
        self.schema = schema_of(schema_json(self.schema))
        self.rows = [stored(self.schema, LEVEL, named(self.schema, LEVEL, row)) for row in self.rows]

    @invariant()
    def rows_read_as_they_should(self) -> None:
        found = [named(self.schema, LEVEL, row) for row in self.rows]

        assert list(map(_valued, found)) == list(map(_valued, self.expected))

    @invariant()
    def a_strict_schema_has_no_other_values(self) -> None:
        if self.schema.mode is SchemaMode.STRICT:
            assert all(_valued(row).keys() <= self.schema.chunks.keys() for row in self.expected)

    @invariant()
    def keys_are_nobody_elses(self) -> None:
        keys = [known.key for known in self.schema.chunks.values()]
        assert len({*keys}) == len(keys)
        assert not {(LEVEL, key) for key in keys} & self.schema.dropped

    def _change(self, chunks: LevelChanges, mode: SchemaMode | None = None) -> bool:
        """Make the change, unless it cannot be or a row does not fit."""
        changes = SchemaChanges(mode, chunks=chunks)
        try:
            after = changed(self.schema, changes)
        except InvalidField:
            return False
        asked = demands(self.schema, after, changes, LEVEL)
        if asked is not None and any(asked.fault(row) for row in self.rows):
            return False
        assert after.version == self.schema.version + 1
        self.schema = after
        return True


def _valued(row: JsonObject) -> JsonObject:
    return {name: value for name, value in row.items() if value is not None}


TestSchemaChanges = SchemaModel.TestCase
TestSchemaChanges.settings = settings(stateful_step_count=25, max_examples=min(60, settings().max_examples))


def schema(**fields: JsonObject) -> MetadataSchema:
    return declared_schema(SchemaMode.INFERRED, {}, fields)


def change(before: MetadataSchema, **parts: object) -> tuple[MetadataSchema, SchemaChanges]:
    changes = SchemaChanges(chunks=LevelChanges(**parts))  # type: ignore[arg-type]  # test data
    return changed(before, changes), changes


def faults(before: MetadataSchema, *rows: JsonObject, **parts: object) -> list[tuple[str, str] | None] | None:
    """Return what each row would be refused for, None when none is asked."""
    after, changes = change(before, **parts)
    asked = demands(before, after, changes, LEVEL)
    return None if asked is None else [asked.fault(row) for row in rows]


WIDER = [
    ("integer", "float"),
    ("uuid", "string"),
    ("datetime", "string"),
    ("string", "text"),
    ("text", "string"),
    ("uuid", "text"),
    ("datetime", "text"),
]


def test_only_widening_is_a_change_of_type() -> None:
    scalars = list(ScalarType)
    wider = {(ScalarType(one), ScalarType(other)) for one, other in WIDER} | {(one, one) for one in scalars}
    for one in scalars:
        for other in scalars:
            for many, more in ((False, False), (False, True), (True, False), (True, True)):
                allowed = (one, other) in wider and more >= many
                assert widens(FieldType(one, many), FieldType(other, more)) == allowed


def test_widening_leaves_the_rows_and_begins_an_era() -> None:
    before = schema(a={"type": "integer"})

    after, _ = change(before, change={"a": {"type": "list[float]"}})

    assert (after.era, after.version, after.chunks["a"].key) == (2, 2, "a")
    assert faults(before, change={"a": {"type": "list[float]"}}) is None
    assert named(after, LEVEL, {"a": 1}) == {"a": [1]}
    assert named(after, LEVEL, {"a": [1, 2]}) == {"a": [1, 2]}
    assert named(after, LEVEL, {"a": None}) == {"a": None}


@pytest.mark.parametrize(
    "steps", [("integer", "string"), ("float", "integer"), ("list[string]", "string"), ("text", "uuid")], ids=str
)
def test_any_other_type_is_refused(steps: tuple[str, str]) -> None:
    for one, other in pairwise(steps):
        assert type_of(one) is not None
        with pytest.raises(InvalidField, match=r"widened"):
            change(schema(a={"type": one}), change={"a": {"type": other}})


@pytest.mark.parametrize(
    "parts",
    [
        {"drop": ("x",)},
        {"rename": {"x": "y"}},
        {"change": {"x": {"required": True}}},
        {"rename": {"a": "b"}},
        {"rename": {"a": "c", "b": "c"}},
        {"rename": {"a": "new\n"}},
        {"add": {"a": {"type": "string"}}},
        {"add": {"c": {"type": "thing"}}},
        {"drop": ("a",), "rename": {"a": "c"}},
        {"drop": ("a",), "change": {"a": {"required": True}}},
        {"change": {"a": {"default": "x"}}},
        {"change": {"n": {"type": "list[integer]"}}},
    ],
    ids=str,
)
def test_a_change_that_makes_no_sense_is_refused(parts: dict[str, object]) -> None:
    before = schema(a={"type": "integer"}, b={"type": "string"}, n={"type": "integer", "min": 1})

    with pytest.raises(InvalidField):
        change(before, **parts)


def test_bounds_of_a_field_that_becomes_a_list_are_said_anew() -> None:
    before = schema(n={"type": "integer", "min": 1_990})

    after, _ = change(before, change={"n": {"type": "list[integer]", "min": None}})

    assert after.chunks["n"].low is None


@pytest.mark.parametrize(
    "looser",
    [
        {"required": False},
        {"default": 1},
        {"default": None},
        {"allowed": [1, 5, 6]},
        {"allowed": None},
        {"min": 0},
        {"min": None, "max": 99},
        {"required": False, "allowed": None, "min": None, "max": None, "type": "float"},
    ],
    ids=str,
)
def test_loosening_asks_nothing_of_the_rows(looser: JsonObject) -> None:
    before = schema(a={"type": "integer", "required": True, "default": 5, "allowed": [1, 5], "min": 1, "max": 9})

    assert faults(before, {}, change={"a": looser}) is None


@pytest.mark.parametrize(
    ("tighter", "good", "bad"),
    [
        ({"required": True}, {"a": 1}, {"a": None}),
        ({"required": True, "default": 3}, {"a": 1}, {}),
        ({"allowed": [1, 2]}, {"a": 2}, {"a": 3}),
        ({"min": 2}, {"a": 2}, {"a": 1}),
        ({"max": 2}, {}, {"a": 3}),
        ({"type": "float", "max": 2}, {"a": 2}, {"a": 3}),
    ],
)
def test_tightening_asks_the_rows(tighter: JsonObject, good: JsonObject, bad: JsonObject) -> None:
    fine, fault = faults(schema(a={"type": "integer"}), good, bad, change={"a": tighter}) or [None, None]

    assert fine is None
    assert fault is not None
    assert fault[0] == "a"


def test_a_required_field_asks_the_rows_and_another_does_not() -> None:
    assert faults(schema(), {}, add={"a": {"type": "string", "required": True}}) == [("a", "is required")]
    assert faults(schema(), {}, add={"a": {"type": "string"}}) is None


def test_a_field_over_values_nobody_declared_asks_the_rows_and_begins_an_era() -> None:
    _, before = accepted(MetadataSchema(SchemaMode.OPEN), LEVEL, {"a": "x"})
    added = {"a": {"type": "integer"}}

    assert faults(before, {"a": 1}, {"a": "x"}, {"a": None}, add=added) == [None, ("a", "must be an integer"), None]
    assert change(before, add=added)[0].era == 2
    assert change(before, add={"b": {"type": "integer"}})[0].era == 1


def test_a_rename_that_would_hide_values_is_asked_of_the_rows() -> None:
    before = changed(schema(a={"type": "string"}), SchemaChanges(SchemaMode.OPEN))
    _, before = accepted(before, LEVEL, {"b": 1})

    found = faults(before, {"a": "x", "b": 1}, {"a": "x"}, rename={"a": "b"})

    assert found is not None
    assert found[0] is not None
    assert (found[0][0], found[1]) == ("b", None)


def test_strict_asks_the_rows_for_other_values_and_knows_there_are_none() -> None:
    _, before = accepted(MetadataSchema(SchemaMode.OPEN), LEVEL, {"b": 1})
    changes = SchemaChanges(SchemaMode.STRICT)
    after = changed(before, changes)

    asked = demands(before, after, changes, LEVEL)

    assert asked is not None
    assert asked.fault({"b": 1}) == ("b", "is a value of no field")
    assert asked.fault({"b": None}) is None
    assert after.loose == frozenset()
    assert demands(before, after, changes, Level.DOCUMENT) is None
