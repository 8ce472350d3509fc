"""What a LangChain store asks of its library: searches with their options, and filters by id."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, cast

from pergamum.adapters.langchain_filters import filter_json
from pergamum.client import F, Query
from pergamum.client.filters import Where
from pergamum.client.vectors import VectorLike
from pergamum.domain.json import JsonObject

EVERYTHING: Final[JsonObject] = {"and": []}
"""The filter that holds for all there is."""
_IDS: Final = 1_000
"""Ids in one filter: few enough for a server to answer at once."""


def asked(text: str | None, vector: VectorLike | None, k: int, options: Mapping[str, object]) -> Query:
    """Return the search by a vector where there is one, by the text otherwise; hybrid ones take both."""
    words = text if vector is None or options.get("mode") == "hybrid" else None
    filter = options.get("filter")
    where = None if filter is None else filter_json(filter)
    return cast(Query, {**options, "text": words, "vector": vector, "k": k, "filter": where})


def candidates(vector: VectorLike, k: int, options: Mapping[str, object]) -> Query:
    """Return the search for hits to choose from by their vectors."""
    return asked(None, vector, k, {**options, "select": ["text", "metadata", "vector"]})


def require_metric(options: Mapping[str, object]) -> None:
    """Raise ValueError unless the scores of such a search are those of the library's metric."""
    if options.get("mode", "vector") != "vector":
        raise ValueError(f"relevance scores are known for mode vector, not for {options['mode']}: leave the mode out")


def parts(ids: Sequence[str] | None) -> Iterator[list[str]]:
    """Return the ids, each once, as many at a time as one filter takes."""
    rest = iter(dict.fromkeys(ids or ()))
    while part := list(islice(rest, _IDS)):
        yield part


def of_ids(ids: Sequence[str]) -> Where:
    """Return the filter that holds for documents, or chunks, of these ids."""
    return F.id.in_(ids)
