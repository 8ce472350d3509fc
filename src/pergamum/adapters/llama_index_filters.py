"""Metadata filters of LlamaIndex in the words of Pergamum."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from pergamum.client.filters import F, Field, Where
from pergamum.domain.json import Json, JsonObject

_Compare: TypeAlias = Callable[[Field, Any], Where]
Types: TypeAlias = Mapping[str, str]
"""The types of a library's fields by name, such as {"year": "integer", "tags": "list[string]"}."""

_DOCUMENT: Final = frozenset({"document_id", "doc_id", "ref_doc_id"})
"""What LlamaIndex calls the document that a node refers to, in filters."""


def _has(field: Field, value: object) -> Where:
    return field.any_of([value])  # type: ignore[list-item]  # a value of another kind is refused with its reason


def _words(field: Field, text: str) -> Where:
    return field.matches('"' + text.replace('"', " ") + '"')


_COMPARED: Final = dict[FilterOperator, _Compare](
    {
        FilterOperator.EQ: operator.eq,
        FilterOperator.NE: operator.ne,
        FilterOperator.GT: operator.gt,
        FilterOperator.LT: operator.lt,
        FilterOperator.GTE: operator.ge,
        FilterOperator.LTE: operator.le,
        FilterOperator.IN: Field.in_,
        FilterOperator.NIN: Field.not_in,
        FilterOperator.ANY: Field.any_of,
        FilterOperator.ALL: Field.all_of,
        FilterOperator.CONTAINS: _has,
        FilterOperator.TEXT_MATCH: Field.contains,
        FilterOperator.TEXT_MATCH_INSENSITIVE: _words,
    }
)


def asks_for_empty(filters: MetadataFilters | None) -> bool:
    """Whether some condition is `is_empty`, which means something else for each type."""
    return filters is not None and any(
        asks_for_empty(part) if isinstance(part, MetadataFilters) else part.operator is FilterOperator.IS_EMPTY
        for part in filters.filters
    )


def filter_json(filters: MetadataFilters | None, types: Types) -> JsonObject | None:
    """Return the filter as Pergamum takes it, None where there is nothing to hold.

    `types` matter to `is_empty` alone. Raises ValueError for what cannot be meant.
    """
    if filters is None or not filters.filters:
        return None
    parts: list[Json] = [_part(each, types) for each in filters.filters]
    if filters.condition is FilterCondition.NOT:  # none of them holds
        return {"not": {"or": parts}}
    return {"or" if filters.condition is FilterCondition.OR else "and": parts}


def both(*filters: JsonObject | Where | None) -> JsonObject | None:
    """Return the filter that holds where all of them do; None where there are none."""
    known = [each.json() if isinstance(each, Where) else each for each in filters if each is not None]
    if len(known) < 2:
        return known[0] if known else None
    return {"and": [*known]}


def _part(part: MetadataFilter | MetadataFilters, types: Types) -> JsonObject:
    if isinstance(part, MetadataFilters):
        return filter_json(part, types) or {"and": []}
    if part.operator is FilterOperator.IS_EMPTY:
        return _empty(part.key, types)
    field = F.document_id if part.key in _DOCUMENT else F[f"chunk.metadata.{part.key}"]
    return _COMPARED[part.operator](field, part.value).json()


def _empty(key: str, types: Types) -> JsonObject:
    field, kind = F[f"chunk.metadata.{key}"], types.get(key)
    if kind is None:  # nothing that is stored has a value there
        return {"and": []}
    if kind == "string":
        return (field.is_null() | (field == "")).json()
    return (field.is_null() | (field.length() == 0) if kind.startswith("list") else field.is_null()).json()
