"""Filters on the wire: any JSON here, read by `domain/filter_reading.py`, whose faults say more than a union's could.

The models below are never instantiated: they tell OpenAPI what a filter looks like.
"""

from typing import Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, JsonValue, RootModel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, from_json

from pergamum.domain.filter_reading import MAX_CONDITIONS, MAX_NAME, MAX_STRING, MAX_VALUES
from pergamum.domain.filters import Op
from pergamum.domain.json import Json
from pergamum.errors import InvalidFilter
from pergamum.wire.common import RequestModel

MAX_QUERY: Final = 65_536
"""Characters of a filter in the query of a URL."""

Scalar: TypeAlias = Annotated[str, Field(max_length=MAX_STRING)] | bool | int | float
_Latitude: TypeAlias = Annotated[float, Field(ge=-90, le=90)]
_Longitude: TypeAlias = Annotated[float, Field(ge=-180, le=180)]
_Length: TypeAlias = Annotated[int, Field(ge=0)]


class PlaceIn(RequestModel):
    """A place in degrees (WGS 84)."""

    lat: _Latitude
    lon: _Longitude


class CircleIn(RequestModel):
    """The places at most `radius` metres from `center` along the great circle."""

    center: PlaceIn
    radius: Annotated[float, Field(ge=0)]


class BoxIn(RequestModel):
    """The places between two latitudes and two longitudes; west > east crosses the 180th meridian."""

    south: _Latitude
    west: _Longitude
    north: _Latitude
    east: _Longitude


class LengthsIn(RequestModel):
    """How long a list may be: all the bounds apply."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    eq: _Length = Field(default_factory=int)
    gt: _Length = Field(default_factory=int)
    gte: _Length = Field(default_factory=int)
    lt: Annotated[int, Field(ge=1)] = Field(default_factory=int)
    lte: _Length = Field(default_factory=int)


class ConditionIn(RequestModel):
    """What is asked of a field. Which operators it takes, and what values they take, follows from its type."""

    field: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    op: Op
    value: Scalar | Annotated[list[Scalar], Field(max_length=MAX_VALUES)] | CircleIn | BoxIn | LengthsIn = Field(
        True, description="May be left out with `exists` and `is_null` alone, where it is true."
    )


class AndIn(RequestModel):
    """All of the filters hold; of none, too."""

    and_: Annotated[list["FilterTree"], Field(alias="and", max_length=MAX_CONDITIONS)]


class OrIn(RequestModel):
    """At least one of the filters holds; of none, none does."""

    or_: Annotated[list["FilterTree"], Field(alias="or", max_length=MAX_CONDITIONS)]


class NotIn(RequestModel):
    """The filter does not hold."""

    not_: "FilterTree" = Field(alias="not")


class FilterTree(RootModel[ConditionIn | AndIn | OrIn | NotIn]):
    """What to find: a condition on a field, or filters joined by and, or, not. At most 1,000 conditions in all."""


class _FilterOnTheWire:
    """Tells Pydantic to take what JSON says as it is, and OpenAPI what that should be."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _object, json_schema_input_schema=handler.generate_schema(FilterTree)
        )


def _object(raw: object) -> object:
    if not isinstance(raw, dict):
        raise PydanticCustomError("filter", "must be a filter: an object")
    return raw


FilterIn: TypeAlias = Annotated[dict[str, JsonValue], _FilterOnTheWire]
"""A filter on its way in, parsed but not read: `read_filter` does that, with the server's limit of its depth."""


def filter_of_query(text: str) -> Json:
    """Return the JSON of a filter written in a URL. Raises `InvalidFilter` for what is not JSON, or is too long."""
    if len(text) > MAX_QUERY:
        raise InvalidFilter("filter", f"is longer than {MAX_QUERY:,} characters; send it in a body")
    try:
        parsed: Json = from_json(text)
    except ValueError as fault:
        raise InvalidFilter("filter", f"is not JSON: {fault}") from None
    return parsed
