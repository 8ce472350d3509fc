"""Queries of LlamaIndex as searches."""

from collections.abc import Mapping
from typing import Any, Final, cast

from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode, VectorStoreQueryResult

from pergamum.adapters.llama_index_nodes import found
from pergamum.client import Query
from pergamum.domain.json import JsonObject
from pergamum.wire.search import HitOut

_BY_WORDS: Final = frozenset({VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE})
_JUDGED: Final = 100
"""Hits that a semantic hybrid query shows its reranker, at least."""


def asked(query: VectorStoreQuery, filter: JsonObject | None, options: Mapping[str, Any]) -> Query:
    """Return the search that a query means; `options` are those of searches, and `mmr_threshold`.

    Raises ValueError for a mode that is none of Pergamum's, and for a query without what its mode looks for.
    """
    others = {name: value for name, value in options.items() if name != "mmr_threshold"}
    return cast(Query, {"filter": filter, **_asked(query, options.get("mmr_threshold")), **others})


def _asked(query: VectorStoreQuery, mmr_threshold: float | None) -> dict[str, Any]:
    mode = VectorStoreQueryMode(query.mode)  # a string will do
    if mode is VectorStoreQueryMode.DEFAULT:
        return _nearest(query)
    if mode is VectorStoreQueryMode.MMR:
        return {**_nearest(query), "diversity": _diversity(query, mmr_threshold)}
    if mode in _BY_WORDS:
        return {"mode": "keyword", "text": _text(query), "k": query.sparse_top_k or query.similarity_top_k}
    if mode is VectorStoreQueryMode.HYBRID:
        return _hybrid(query)
    if mode is VectorStoreQueryMode.SEMANTIC_HYBRID:
        wanted = _hybrid(query)
        return {**wanted, "rerank": {"provider": "local", "top": max(_JUDGED, wanted["k"])}}
    raise ValueError(f"Pergamum has no query mode {mode.value!r}: it learns no model from the query")


def _nearest(query: VectorStoreQuery) -> dict[str, Any]:
    if query.query_embedding is not None:
        return {"vector": query.query_embedding, "k": query.similarity_top_k}
    return {"text": _text(query), "k": query.similarity_top_k}


def _text(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        mode = VectorStoreQueryMode(query.mode).value
        raise ValueError(f"a query of mode {mode!r} looks for a query_str, and this one has none")
    return query.query_str


def _diversity(query: VectorStoreQuery, given: float | None) -> float:
    return 1.0 - next((each for each in (query.mmr_threshold, given) if each is not None), 0.5)


def _hybrid(query: VectorStoreQuery) -> dict[str, Any]:
    k = query.hybrid_top_k or query.similarity_top_k
    wanted: dict[str, Any] = {"mode": "hybrid", "text": _text(query), "vector": query.query_embedding, "k": k}
    if query.alpha is not None:
        wanted["fusion"] = {"kind": "score", "alpha": query.alpha}
    if query.sparse_top_k is not None:
        wanted["candidates"] = max(query.sparse_top_k, query.similarity_top_k, k)
    return wanted


def result(hits: list[HitOut]) -> VectorStoreQueryResult:
    """Return the nodes that were found, with their scores: those of a reranker where one judged them all."""
    return VectorStoreQueryResult(
        nodes=[found(hit) for hit in hits],
        similarities=_similarities(hits),
        ids=[hit.chunk_id for hit in hits],
    )


def _similarities(hits: list[HitOut]) -> list[float]:
    judged = [hit.relevance for hit in hits if hit.relevance is not None]
    return judged if len(judged) == len(hits) else [hit.score for hit in hits]
