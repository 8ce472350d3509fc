"""Answers of searches as JSON. Plain objects: eleven models would cost as much as fetching the rows of the hits."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, TypeAlias

from pergamum.api.answers import vector_out
from pergamum.api.cursors import cursor_after, read_cursor
from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.hit_fields import DOCUMENT, METADATA, OF_CHUNK, OF_DOCUMENT
from pergamum.domain.json import JsonObject
from pergamum.domain.query import Answer, Explanation, Hit, HitDetails

Body: TypeAlias = dict[str, object]
"""What pydantic_core writes as JSON."""

_PAGES: Final = "search"
"""The list that cursors of searches belong to."""
_DOTTED: Final = f"{METADATA}."


def page_of(cursor: str | None) -> str | None:
    """Return the page that a cursor names. Raises `InvalidCursor`."""
    return read_cursor(cursor, str, _PAGES)


def search_out(answer: Answer) -> Body:
    """Return the hits and what they are worth, in the shape of `SearchOut`."""
    hits = [_hit_out(hit) for hit in answer.hits] if answer.select is None else _selected(answer, answer.select)
    body: Body = {
        "hits": hits,
        "exact": answer.exact,
        "expected_recall": answer.expected_recall,
        "complete": answer.complete,
        "position": answer.position,
    }
    if answer.groups is not None:
        each = [{"document_id": group.document_id, "hits": hits[group.first : group.end]} for group in answer.groups]
        body["hits"], body["groups"] = [], each
    if answer.paged:
        body["next_cursor"] = None if answer.next_page is None else cursor_after(answer.next_page, _PAGES)
    if answer.explanation is not None:
        body["explain"] = _explain_out(answer.explanation)
        _add_ranks(answer, hits)
    return body


def _hit_out(hit: Hit) -> Body:
    chunk = hit.chunk
    body: Body = {
        "chunk_id": chunk.id,
        "document_id": chunk.document_id,
        "text": chunk.text,
        "metadata": chunk.metadata,
        "score": hit.score,
        "distance": hit.distance,
    }
    return body if hit.details is None else body | _details_out(hit.details)


def _selected(answer: Answer, names: Sequence[str]) -> list[Body]:
    """Return the hits with the fields that were asked for, beside those that every hit has."""
    of_document = [name.removeprefix(DOCUMENT) for name in names if name.startswith(DOCUMENT)]
    hits = []
    for hit in answer.hits:
        details, chunk = hit.details or HitDetails(), hit.chunk
        body: Body = {
            "chunk_id": chunk.id,
            "document_id": chunk.document_id,
            "score": hit.score,
            "distance": hit.distance,
            **_fields(chunk, names, OF_CHUNK),
            **_details_out(details),
        }
        if of_document and details.document is not None:
            body["document"] = _fields(details.document, of_document, OF_DOCUMENT)
        if details.vector is not None:
            body["vector"] = vector_out(details.vector, base64=answer.base64)
        hits.append(body)
    return hits


def _fields(source: Chunk | Document, names: Sequence[str], fixed: frozenset[str]) -> Body:
    """Return the fields of these names; of metadata those that are named and there, or all."""
    body: Body = {name: getattr(source, name) for name in names if name in fixed}
    if METADATA in names:
        body[METADATA] = source.metadata
        return body
    named = [name.removeprefix(_DOTTED) for name in names if name.startswith(_DOTTED)]
    if named:
        body[METADATA] = {name: source.metadata[name] for name in named if name in source.metadata}
    return body


def _details_out(details: HitDetails) -> Body:
    """Return what is known of how a hit was found."""
    body: Body = {}
    if details.hybrid:
        body["vector_score"], body["keyword_score"] = details.vector_score, details.keyword_score
    if details.relevance is not None:
        body["relevance"] = details.relevance
    if details.highlights is not None:
        body["highlights"] = details.highlights
    return body


def _add_ranks(answer: Answer, hits: Sequence[Body]) -> None:
    for hit, body in zip(answer.hits, hits, strict=True):
        if hit.details is not None and hit.details.hybrid:
            body["vector_rank"], body["keyword_rank"] = hit.details.vector_rank, hit.details.keyword_rank


def _explain_out(told: Explanation) -> JsonObject:
    body: JsonObject = {
        "plan": {
            "strategy": told.strategy,
            "effort": told.effort,
            "predicted_seconds": told.predicted_seconds,
            "expected_recall": told.expected_recall,
        },
        "refused": [asdict(plan) for plan in told.refused],
        "actual": {
            "queries": told.queries,
            "seconds": told.seconds,
            "scored": told.scored,
            "verified": told.verified,
            "rescanned": told.rescanned,
        },
        "selectivity": {"predicted": told.predicted_selectivity, "actual": told.selectivity},
        "stages": {**told.stages},
    }
    if told.filter is not None:
        body["filter"] = asdict(told.filter)
    if told.keyword_hits is not None:
        body["keyword_hits"] = told.keyword_hits
    return body
