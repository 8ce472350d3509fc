"""Metadata schemas: declared in JSON, or taken from a Pydantic model.

>>> class Article(BaseModel):
...     year: Annotated[int, Field(ge=1450)]
...     language: Literal["en", "de"] = "en"
...     abstract: Prose | None = None
>>> fields_of(Article)["year"]
{'type': 'integer', 'required': True, 'min': 1450}
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from pergamum.domain.fields import GeoPoint

Prose: TypeAlias = Annotated[str, "text"]
"""A string that is searched for words: type `text` of a schema."""

_SCALARS: Final[Mapping[object, str]] = {
    str: "string",
    int: "integer",
    float: "float",
    bool: "boolean",
    datetime: "datetime",
    UUID: "uuid",
    GeoPoint: "geo_point",
}
_BOUNDS: Final = {"ge": "min", "le": "max", "min_length": "min", "max_length": "max"}


def fields_of(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return the declarations that a model's fields make, for `metadata_schema` or `Schema.change(add=...)`.

    Taken over are types, what is required, defaults, values of Literals and enumerations, ge, le, min_length and
    max_length. Raises TypeError for what a schema cannot say.
    """
    return {info.alias or name: _declared(name, info) for name, info in model.model_fields.items()}


def _declared(name: str, info: FieldInfo) -> dict[str, Any]:
    kind, allowed, marks = _unwrapped(name, info.annotation)
    made: dict[str, Any] = {"type": kind, "required": info.is_required()}
    if not info.is_required() and info.get_default(call_default_factory=True, validated_data={}) is not None:
        made["default"] = to_jsonable_python(info.get_default(call_default_factory=True, validated_data={}))
    if allowed is not None:
        made["allowed"] = allowed
    inner = [deep for mark in marks for deep in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    for mark in (*inner, *info.metadata):
        made |= _bounds(name, mark)
        made |= {"type": "text"} if mark == "text" else {}
    return made


def _unwrapped(name: str, annotation: object) -> tuple[str, list[Any] | None, tuple[object, ...]]:
    """Return the name of the type, its only values, and what else an annotation says of it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kind, allowed, marks = _unwrapped(name, parts[0])
        return kind, allowed, (*marks, *parts[1:])
    if origin in {Union, UnionType}:
        known = [part for part in parts if part is not NoneType]
        if len(known) == 1:
            return _unwrapped(name, known[0])
    if origin is Literal:
        return _SCALARS.get(type(parts[0]), "string"), list(parts), ()
    if origin in {list, set, frozenset} or (origin is tuple and parts[1:] == (...,)):
        kind, allowed, marks = _unwrapped(name, parts[0])
        return f"list[{kind}]", allowed, marks
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = [member.value for member in annotation]
        return _SCALARS.get(type(values[0]), "string"), values, ()
    if annotation in _SCALARS:
        return _SCALARS[annotation], None, ()
    raise TypeError(f"field {name}: no metadata field has the type {annotation}")


def _bounds(name: str, mark: object) -> dict[str, Any]:
    if getattr(mark, "gt", None) is not None or getattr(mark, "lt", None) is not None:
        raise TypeError(f"field {name}: bounds of a schema are included; write ge or le")
    found = ((bound, getattr(mark, said, None)) for said, bound in _BOUNDS.items())
    return {bound: to_jsonable_python(value) for bound, value in found if value is not None}
