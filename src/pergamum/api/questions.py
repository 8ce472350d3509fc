"""From searches on the wire to what the services take."""

from collections.abc import Iterable
from typing import Final

from pergamum.api.search_answers import page_of
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.search_options import (
    DEFAULT_FUSION,
    PLAIN,
    ByRank,
    ByScore,
    Examples,
    Fusion,
    Mode,
    Reranking,
    SearchOptions,
)
from pergamum.errors import Invalid
from pergamum.services.drafts import Query
from pergamum.wire.search import PER_GROUP, LikeIn, RankFusionIn, RerankIn, ScoreFusionIn, SearchIn

SIMPLE: Final = frozenset({"vector", "text", "mode", "k", "recall", "explain", "filter"})
"""The fields of a search that asks for nothing but the nearest."""


def query(body: SearchIn, max_depth: int) -> Query:
    """Return what to look for; its filter may be nested `max_depth` deep. Raises `InvalidFilter`, `InvalidCursor`."""
    return Query(
        vector=body.vector,
        text=body.text,
        k=body.k,
        recall=body.recall,
        explain=body.explain,
        filter=None if body.filter is None else read_filter(body.filter, max_depth),
        options=PLAIN if body.model_fields_set <= SIMPLE and body.mode is Mode.VECTOR else _options(body),
    )


def queries(bodies: Iterable[SearchIn], max_depth: int) -> list[Query]:
    """Return what to look for, in order. Raises what is wrong with the first that is."""
    made = []
    for place, body in enumerate(bodies):
        try:
            made.append(query(body, max_depth))
        except Invalid as fault:
            raise fault.located(query=place) from None
    return made


def _options(body: SearchIn) -> SearchOptions:
    return SearchOptions(
        mode=body.mode,
        like=None if body.like is None else _examples(body.like),
        fusion=_fusion(body.fusion),
        candidates=body.candidates,
        per_group=_per_group(body),
        diversity=body.diversity,
        min_score=body.min_score,
        page=body.page,
        cursor=page_of(body.cursor),
        select=None if body.select is None else tuple(dict.fromkeys(body.select)),
        base64=body.vector_format == "base64",
        rerank=None if body.rerank is None else _reranking(body.rerank),
    )


def _per_group(body: SearchIn) -> int | None:
    if body.group_by is None:
        return None
    return PER_GROUP if isinstance(body.group_by, str) else body.group_by.per_group


def _fusion(body: RankFusionIn | ScoreFusionIn | None) -> Fusion:
    if body is None:
        return DEFAULT_FUSION
    if isinstance(body, ScoreFusionIn):
        return ByScore(body.alpha)
    return ByRank(body.k, *body.weights)


def _examples(body: LikeIn) -> Examples:
    return Examples(tuple(body.chunks), tuple(body.documents), tuple(body.not_chunks), tuple(body.not_documents))


def _reranking(body: RerankIn) -> Reranking:
    return Reranking(body.provider, body.top, body.model)
