"""What filters select, on the wire: lists, counts, facets, deletions and updates."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from pergamum.domain.facets import MAX_FACETS, MAX_RANGES, MAX_TOP
from pergamum.domain.field_changes import CHANGEABLE
from pergamum.domain.fields import Level
from pergamum.wire.common import (
    MAX_CURSOR,
    AnswerModel,
    PageNumber,
    Position,
    RequestModel,
    ShortText,
    Tags,
    Url,
    check_metadata,
)
from pergamum.wire.filters import FilterIn

FieldName: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_024)]
Bound: TypeAlias = str | int | float | None
OrderBy: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_025)]


class CountIn(RequestModel):
    """Which documents or chunks to count; all of them without a filter."""

    filter: FilterIn | None = None


class CountOut(AnswerModel):
    """How many there are."""

    count: int
    position: Position


class DocumentQueryIn(CountIn):
    """A part of a list of documents: what GET takes in its query, for filters that are too long for one."""

    order_by: OrderBy | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None
    include: Literal["text"] | None = None


class ChunkQueryIn(CountIn):
    """A part of a list of chunks: what GET takes in its query, for filters that are too long for one."""

    order_by: OrderBy | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None
    include: Literal["embedding"] | None = None
    embedding_format: Literal["list", "base64"] = "list"


class RangeIn(RequestModel):
    """Values between two bounds, of the field's type; one of them may be left out."""

    gt: Bound = None
    gte: Bound = None
    lt: Bound = None
    lte: Bound = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        lows, highs = ((self.gt, self.gte), (self.lt, self.lte))
        if None not in lows or None not in highs:
            raise PydanticCustomError("range", "has one lower bound and one upper bound at most")
        if lows == highs == (None, None):
            raise PydanticCustomError("range", "has at least one bound: gt, gte, lt or lte")
        return self


class FacetIn(RequestModel):
    """What to tell of a field: its most frequent values, counts in ranges, or its least and greatest value.

    Where none of them is asked for, it is the ten most frequent values.
    """

    field: FieldName
    top: Annotated[int, Field(ge=1, le=MAX_TOP)] | None = None
    ranges: Annotated[list[RangeIn], Field(min_length=1, max_length=MAX_RANGES)] | None = None
    stats: bool = False


class FacetsIn(CountIn):
    """Facets of the documents or chunks that the filter holds for."""

    facets: Annotated[list[FacetIn], Field(min_length=1, max_length=MAX_FACETS)]


class ValueOut(AnswerModel):
    """A value and how many have it; of lists, how many hold it."""

    value: JsonValue
    count: int


class RangeOut(AnswerModel):
    """A range as it was asked for, and how many values lie in it."""

    gt: JsonValue = None
    gte: JsonValue = None
    lt: JsonValue = None
    lte: JsonValue = None
    count: int


class StatsOut(AnswerModel):
    """The least and the greatest value; null where there is none."""

    min: JsonValue
    max: JsonValue


class FacetOut(AnswerModel):
    """What was found of a field. `missing` have no value, `distinct` is the number of different values in all."""

    field: str
    missing: int
    values: list[ValueOut] | None = None
    distinct: int | None = None
    ranges: list[RangeOut] | None = None
    stats: StatsOut | None = None


class FacetsOut(AnswerModel):
    """Facets in the order asked, all as of `position`; `count` is how many they are of."""

    facets: list[FacetOut]
    count: int
    position: Position


class DeleteWhereIn(RequestModel):
    """What to delete. Deleting everything has to be said: {"and": []}."""

    filter: FilterIn
    dry_run: Annotated[bool, Field(description="Delete nothing: say how many there are.")] = False


class DeleteWhereOut(AnswerModel):
    """How many the filter held for, and how many of them are deleted now."""

    matched: int
    deleted: int
    position: Position


_Values: TypeAlias = Annotated[list[JsonValue], Field(min_length=1, max_length=1_000)]
_FIXED: Final[Mapping[Level, Mapping[str, TypeAdapter[object]]]] = {
    Level.DOCUMENT: {
        "title": TypeAdapter(ShortText | None),
        "author": TypeAdapter(ShortText | None),
        "document_type": TypeAdapter(ShortText | None),
        "source_url": TypeAdapter(Url | None),
        "tags": TypeAdapter(Tags | None),
    },
    Level.CHUNK: {"page_number": TypeAdapter(PageNumber | None)},
}
assert all(_FIXED[level].keys() == CHANGEABLE[level].keys() for level in Level)


def _check_appended(append: dict[str, list[JsonValue]]) -> dict[str, list[JsonValue]]:
    check_metadata(dict(append))
    return append


class UpdateWhereIn(RequestModel):
    """What to change, and in what: in everything that has to be said, {"and": []}.

    Fields are fixed ones that may change, or metadata fields. `set` replaces values, `unset` removes them, `append`
    adds to lists what they do not hold yet, `remove` takes elements out of lists.
    """

    filter: FilterIn
    set: Annotated[dict[FieldName, JsonValue], AfterValidator(check_metadata)] = Field(default_factory=dict)
    unset: Annotated[list[FieldName], Field(max_length=1_000)] = Field(default_factory=list)
    append: Annotated[dict[FieldName, _Values], AfterValidator(_check_appended)] = Field(default_factory=dict)
    remove: dict[FieldName, _Values] = Field(default_factory=dict)
    dry_run: Annotated[bool, Field(description="Change nothing: say how many there are, and what would fail.")] = False

    @model_validator(mode="after")
    def _changes(self) -> Self:
        names = [*self.set, *self.unset, *self.append, *self.remove]
        if not names:
            raise PydanticCustomError("changes", "changes nothing: give set, unset, append or remove")
        if len(frozenset(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise PydanticCustomError("changes", f"changes {twice!r} twice")
        return self


class DocumentUpdateIn(UpdateWhereIn):
    """Changes to documents: of title, author, document_type, source_url, tags and metadata fields."""

    @model_validator(mode="after")
    def _fixed(self) -> Self:
        _check_fixed(self, Level.DOCUMENT)
        return self


class ChunkUpdateIn(UpdateWhereIn):
    """Changes to chunks: of page_number and metadata fields."""

    @model_validator(mode="after")
    def _fixed(self) -> Self:
        _check_fixed(self, Level.CHUNK)
        return self


class FailureOut(AnswerModel):
    """A document or chunk that the changes would break a rule in, and what is wrong."""

    id: str
    field: str | None
    reason: str


class UpdateWhereOut(AnswerModel):
    """How many the filter held for, and how many of them are changed now.

    `failing` and `failures`, the first ten of them, are told by a dry run: any would refuse the whole command.
    """

    matched: int
    updated: int
    failing: int | None = None
    failures: list[FailureOut] | None = None
    position: Position


def _check_fixed(asked: UpdateWhereIn, level: Level) -> None:
    """Refuse a value that the fixed field cannot take; metadata fields are known to the library alone."""
    given = [(name, asked.set[name]) for name in _FIXED[level] if name in asked.set]
    if level is Level.DOCUMENT and "tags" in asked.append:
        given.append(("tags", asked.append["tags"]))
    for name, value in given:
        try:
            _FIXED[level][name].validate_python(value, strict=True)
        except ValidationError as error:
            raise PydanticCustomError("fixed", f"{name}: {error.errors()[0]['msg']}") from None
