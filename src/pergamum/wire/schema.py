"""Metadata schemas on the wire. What a declaration may say beyond its shape: docs/metadata.md."""

from typing import Annotated, TypeAlias

from pydantic import Field, JsonValue, StringConstraints

from pergamum.domain.schema import SchemaMode
from pergamum.wire.common import AnswerModel, RequestModel

FieldName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TypeName: TypeAlias = Annotated[
    str, StringConstraints(max_length=32), Field(description="Such as `integer`, or `list[integer]`.")
]
Allowed: TypeAlias = Annotated[list[JsonValue], Field(min_length=1, max_length=1_000, description="The only values.")]
Bound: TypeAlias = Annotated[
    int | float | str, Field(description="Of numbers and times, or of the length of strings and lists; included.")
]


class FieldIn(RequestModel):
    """A metadata field that is declared."""

    type: TypeName
    required: bool = False
    default: JsonValue = None
    allowed: Allowed | None = None
    min: Bound | None = None
    max: Bound | None = None


class FieldPatch(RequestModel):
    """Changes to a metadata field; a part left out stays, null takes it away."""

    type: TypeName = Field(default_factory=str)
    required: bool = False
    default: JsonValue = None
    allowed: Allowed | None = None
    min: Bound | None = None
    max: Bound | None = None


class SchemaIn(RequestModel):
    """The metadata fields of a library to create, of documents and of chunks, by name."""

    mode: SchemaMode = SchemaMode.INFERRED
    documents: dict[FieldName, FieldIn] = Field(default_factory=dict)
    chunks: dict[FieldName, FieldIn] = Field(default_factory=dict)


class LevelPatch(RequestModel):
    """Changes to the fields of documents or of chunks, which are named as they are before the change.

    `rename` gives new names by old ones.
    """

    add: dict[FieldName, FieldIn] = Field(default_factory=dict)
    drop: Annotated[list[FieldName], Field(max_length=1_000)] = Field(default_factory=list)
    rename: dict[FieldName, FieldName] = Field(default_factory=dict)
    change: dict[FieldName, FieldPatch] = Field(default_factory=dict)


class SchemaPatch(RequestModel):
    """Changes to a schema: all of them, or none. With `dry_run` none, but the answer says how they would go."""

    dry_run: bool = False
    mode: SchemaMode | None = None
    documents: LevelPatch = Field(default_factory=LevelPatch)
    chunks: LevelPatch = Field(default_factory=LevelPatch)


class FieldOut(AnswerModel):
    """A metadata field."""

    type: str
    required: bool
    default: JsonValue
    allowed: list[JsonValue] | None
    min: Bound | None
    max: Bound | None


class SchemaOut(AnswerModel):
    """The metadata fields of a library by name. `version` counts all changes, inferred fields too."""

    mode: str = SchemaMode.OPEN.value
    documents: dict[str, FieldOut] = Field(default_factory=dict)
    chunks: dict[str, FieldOut] = Field(default_factory=dict)
    version: int = 1


class MisfitOut(AnswerModel):
    """A stored document or chunk that would not fit a changed schema: its field and why."""

    level: str
    id: str
    field: str
    reason: str


class SchemaChangeOut(AnswerModel):
    """What became, or would become, of a change: the schema after it.

    `documents` and `chunks` are how many stored ones would not fit, `examples` the first of them. A change that some
    would not fit is refused.
    """

    dry_run: bool
    metadata_schema: SchemaOut
    documents: int
    chunks: int
    examples: list[MisfitOut]
