"""What the shapes share: ids, names, metadata, vectors, and the two kinds of model."""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_json

from pergamum.domain.metadata import MAX_BYTES as MAX_METADATA_BYTES
from pergamum.domain.vectors import MAX_DIMENSION, Vector

MAX_METADATA_DEPTH = 16
MAX_TEXT = 16 << 20
MAX_CURSOR = 4_096
SHOWN = 80


class RequestModel(BaseModel):
    """What a client sends. Unknown fields and values of another type are refused, never bent into shape."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AnswerModel(BaseModel):
    """What a server answers. Unknown fields are ignored, so that an older client reads a newer server."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show what there is, long strings by their beginning: a vector would fill the screen."""
        for name, value in super().__repr_args__():
            if value is not None:
                long = isinstance(value, str) and len(value) > SHOWN
                yield name, f"{value[:SHOWN]}…" if long else value


def _not_a_uuid(name: str) -> str:
    """Refuse a name that a path would take for an id."""
    try:
        UUID(name)
    except ValueError:
        return name
    raise PydanticCustomError("name", "must not look like a UUID, because a path takes ids and names alike")


Id: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
"""The id of a document or chunk: any 1 to 256 characters except NUL."""
Name: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f/]*$"),
    AfterValidator(_not_a_uuid),
]
"""The name of a library: no slash, no control character, nothing that reads as a UUID."""
Text: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
ShortText: TypeAlias = Annotated[str, StringConstraints(max_length=1_000)]
Description: TypeAlias = Annotated[str, StringConstraints(max_length=10_000)]
Url: TypeAlias = Annotated[str, StringConstraints(max_length=2_048)]
Tag: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Tags: TypeAlias = Annotated[list[Tag], Field(max_length=100)]
PageNumber: TypeAlias = Annotated[int, Field(ge=0, le=2**31 - 1)]
Position: TypeAlias = Annotated[int, Field(ge=0, description="The library's count of writes when this was so.")]


def _check_values(value: JsonValue, depth: int) -> None:
    """Refuse what other readers of JSON could not take: too deep, not finite, beyond 64 bits."""
    if isinstance(value, dict | list):
        if depth == MAX_METADATA_DEPTH:
            raise PydanticCustomError("metadata", f"is nested deeper than {MAX_METADATA_DEPTH} levels")
        for item in value.values() if isinstance(value, dict) else value:
            _check_values(item, depth + 1)
    elif isinstance(value, float) and not np.isfinite(value):
        raise PydanticCustomError("metadata", "holds a number that is not finite")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PydanticCustomError("metadata", "holds an integer beyond 64 bits")


def check_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the metadata, or refuse it for its depth, its numbers or its size."""
    if metadata:
        _check_values(metadata, 0)
        if len(to_json(metadata)) > MAX_METADATA_BYTES:
            raise PydanticCustomError("metadata", f"is over {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


Metadata: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(check_metadata)]


def _from_numbers(numbers: list[float]) -> Vector:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which the library's check refuses
        return np.array(numbers, np.float32)


def _from_base64(text: str) -> Vector:
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise PydanticCustomError("vector", "is not base64") from None
    if not raw or len(raw) % 4:
        raise PydanticCustomError("vector", f"holds {len(raw)} bytes, not a whole number of float32")
    if len(raw) > 4 * MAX_DIMENSION:
        raise PydanticCustomError("vector", f"is longer than {MAX_DIMENSION} numbers")
    return np.frombuffer(raw, "<f4")


def to_base64(vector: Vector) -> str:
    """Return the vector as base64 of little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(vector, "<f4").tobytes()).decode("ascii")


class _VectorOnTheWire:
    """Tells Pydantic how a vector is written: a list of numbers, or base64 of little-endian float32."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        numbers = core_schema.list_schema(core_schema.float_schema(strict=True), min_length=1, max_length=MAX_DIMENSION)
        written = core_schema.union_schema(
            [
                (core_schema.no_info_after_validator_function(_from_numbers, numbers), "numbers"),
                (core_schema.no_info_after_validator_function(_from_base64, core_schema.str_schema()), "base64"),
            ],
            mode="left_to_right",
        )
        return core_schema.json_or_python_schema(
            json_schema=written,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(np.ndarray), written]),
            serialization=core_schema.plain_serializer_function_ser_schema(to_base64, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": MAX_DIMENSION}
        text = {"type": "string", "contentEncoding": "base64", "description": "little-endian float32"}
        return {"anyOf": [numbers, text]}


Embedding: TypeAlias = Annotated[Vector, _VectorOnTheWire]
"""A vector on its way in: parsed to float32, written as base64. Its values are checked by the library, not here."""
EmbeddingOut: TypeAlias = list[float] | str
"""A vector in an answer: a list of numbers, or base64 of little-endian float32, as asked."""
