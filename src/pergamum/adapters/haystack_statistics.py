"""What a document store tells of the values in `meta`: which names there are, their values, the least and greatest.

The server counts them in columns; where values are lists, objects, or more different ones than it tells at once, all
documents are read instead.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pergamum.adapters.haystack_fields import PLAIN, meta_of, plain_columns, top_level_names, types_of
from pergamum.adapters.haystack_operations import Filters, Operations
from pergamum.adapters.haystack_scripts import Ask, Script
from pergamum.client.drafts import Facet
from pergamum.domain.json import Json, JsonObject
from pergamum.wire.documents import DocumentOut
from pergamum.wire.selection import FacetOut, FacetsOut

_AT_ONCE: Final = 20
_MOST_VALUES: Final = 1_000
_KINDS: Final[Mapping[str, str]] = {"integer": "int", "float": "float", "boolean": "boolean"}
Values: TypeAlias = dict[tuple[str, str], Any]
"""Different values, by the name of their type and what they look like, so that 1, 1.0 and True are three."""


def unique_values(operations: Operations, name: str, filters: Filters | None) -> Script[list[Any]]:
    """Return the different values of a name, sorted by what they look like."""
    path = name.removeprefix("meta.")
    columns = plain_columns(types_of((yield from operations.schema())), path)
    where = yield from operations.where(filters)
    if set(columns.values()) <= PLAIN:
        wanted: list[Facet] = [{"field": f"metadata.{column}", "top": _MOST_VALUES} for column in columns]
        facets = yield from _facets(operations, wanted, where)
        if all((facet.distinct or 0) <= _MOST_VALUES for facet in facets):
            return _sorted(value.value for facet in facets for value in facet.values or ())
    documents: list[DocumentOut] = (
        yield lambda client: client.library(operations.name).documents.list(filter=where).to_list()
    )
    values = (_value_at(document.metadata, path) for document in documents)
    return _sorted(value for value in values if value is not None)


def least_and_greatest(operations: Operations, name: str) -> Script[dict[str, Any]]:
    """Return the least and the greatest number, or string; None where there is none, or both kinds."""
    columns = plain_columns(types_of((yield from operations.schema())), name.removeprefix("meta."))
    wanted = [_extremes(column, kind) for column, kind in columns.items() if kind in PLAIN]
    facets = yield from _facets(operations, wanted, None)
    values = [value for facet in facets for value in _told(facet) if value is not None]
    if not values or len({isinstance(value, str) for value in values}) > 1:
        return {"min": None, "max": None}
    return {"min": min(values), "max": max(values)}


def fields_info(operations: Operations) -> Script[dict[str, dict[str, str]]]:
    """Return the type of each name that some document has a value of."""
    types = types_of((yield from operations.schema()))
    names = top_level_names(types)
    counted = [column for columns in names.values() for column in columns if types[column] not in {"text", "geo_point"}]
    wanted: list[Facet] = [{"field": f"metadata.{column}", "top": 1} for column in counted]
    facets = yield from _facets(operations, wanted, None)
    empty = {column for column, facet in zip(counted, facets, strict=True) if not facet.values}
    kinds = {name: {types[column] for column in columns - empty} for name, columns in names.items()}
    return {name: {"type": _kind_of(found)} for name, found in kinds.items() if found}


def _facets(operations: Operations, wanted: Sequence[Facet], where: JsonObject | None) -> Script[list[FacetOut]]:
    found: list[FacetOut] = []
    for start in range(0, len(wanted), _AT_ONCE):
        answer: FacetsOut = yield _facets_of(operations.name, wanted[start : start + _AT_ONCE], where)
        found += answer.facets
    return found


def _facets_of(library: str, wanted: Sequence[Facet], where: JsonObject | None) -> Ask:
    return lambda client: client.library(library).documents.facets(*wanted, filter=where)


def _extremes(column: str, kind: str) -> Facet:
    """Ask for the least and greatest value; a boolean has no order on the server, but two values at most."""
    field = f"metadata.{column}"
    return {"field": field, "top": 2} if kind == "boolean" else {"field": field, "stats": True}


def _told(facet: FacetOut) -> list[Any]:
    if facet.stats is not None:
        return [facet.stats.min, facet.stats.max]
    return [value.value for value in facet.values or ()]


def _value_at(metadata: JsonObject, path: str) -> Json:
    value: Json = meta_of(metadata)
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _sorted(values: Iterable[Any]) -> list[Any]:
    different: Values = {(_look(value), type(value).__name__): value for value in values}
    return [different[key] for key in sorted(different)]


def _look(value: object) -> str:
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else str(value)


def _kind_of(types: set[str]) -> str:
    kinds = {_KINDS.get(type, "keyword") for type in types}
    if kinds == {"int", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 else "keyword"
