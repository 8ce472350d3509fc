"""From what a client asked to what the engine answers: limits, names and filters checked."""

from typing import Final

from pergamum.domain.hit_fields import DOCUMENT, HIGHLIGHTS, VECTOR, check_fields
from pergamum.domain.keywords import read_keywords
from pergamum.domain.library import Library
from pergamum.domain.query import wanted_share
from pergamum.domain.search_options import Mode, SearchOptions
from pergamum.domain.vectors import Vector
from pergamum.engine.retrieval import Question
from pergamum.engine.where import Where
from pergamum.errors import InvalidField
from pergamum.services.drafts import Query

MOST_PAGED: Final = 1_000
"""Hits ranked for paging, unless one page alone is larger."""
MOST_DIVERSE: Final = 1_000
"""Choosing k diverse hits takes k * k steps."""
CANDIDATES_TIMES: Final = 10


def check_limits(query: Query, max_k: int) -> None:
    """Refuse what asks for too much. Raises `InvalidField`."""
    options = query.options
    if query.k > max_k:
        raise InvalidField("k", f"must be at most {max_k}")
    if options.per_group is not None and query.k * options.per_group > max_k:
        raise InvalidField("group_by.per_group", f"k * per_group must be at most {max_k}")
    if options.diversity and query.k > MOST_DIVERSE:
        raise InvalidField("diversity", f"works for k up to {MOST_DIVERSE}")
    if options.candidates is not None and options.candidates > CANDIDATES_TIMES * max_k:
        raise InvalidField("candidates", f"must be at most {CANDIDATES_TIMES * max_k}")
    if options.rerank is not None and options.rerank.top > max_k:
        raise InvalidField("rerank.top", f"must be at most {max_k}")


def question(library: Library, query: Query, vector: Vector | None, max_k: int) -> Question:
    """Return what the engine is asked. Raises `UnknownField`, `InvalidFilter`. REQUIRES: `check_limits` has passed."""
    options, schema = query.options, library.metadata_schema
    check_fields(options.select or (), schema)
    return Question(
        k=_ranked(query, max_k),
        recall=wanted_share(query.recall, library.recall),
        options=options,
        vector=vector,
        keywords=None if query.text is None else read_keywords(query.text),
        where=None if query.filter is None else Where.of(query.filter, schema),
        explain=query.explain,
        with_documents=options.rerank is not None or any(name.startswith(DOCUMENT) for name in options.select or ()),
        with_vectors=VECTOR in (options.select or ()),
        highlighted=_highlighted(options),
    )


def _ranked(query: Query, max_k: int) -> int:
    """Return how many hits, or documents, have to be ranked for the first page of the answer and what follows."""
    options, most = query.options, min(max_k, MOST_PAGED)
    ranked = max(query.k, options.rerank.top if options.rerank is not None else 0)
    return max(ranked, most // (options.per_group or 1)) if options.page else ranked


def _highlighted(options: SearchOptions) -> bool:
    return options.mode is not Mode.VECTOR if options.select is None else HIGHLIGHTS in options.select
