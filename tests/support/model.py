"""What the REST API must do, in plain dicts: the oracle of tests/model.

A library is a dict of its settings with two dicts in it, `documents` and `chunks`, both by id. Nothing is shared with
the server's code, and nothing is clever. A request that must be refused raises `Refused` and changes nothing.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""Whatever JSON can say."""
Record: TypeAlias = dict[str, Json]
"""A library, document or chunk as JSON has it."""
Distance: TypeAlias = Callable[[Sequence[float], Sequence[float]], float]

DOCUMENT_FIELDS: Record = {
    "title": None,
    "author": None,
    "document_type": None,
    "source_url": None,
    "tags": [],
    "metadata": {},
    "text": None,
}


class Refused(Exception):
    """The request must be answered with this status and this type of problem."""

    def __init__(self, status: int, slug: str) -> None:
        super().__init__(status, slug)
        self.status, self.slug = status, slug


def new_library(name: str, metric: str, dimension: int | None, description: str | None = None) -> Record:
    """Return an empty library whose vectors come from outside."""
    return {
        "name": name,
        "description": description,
        "metric": metric,
        "dimension": dimension,
        "embedding_model": None,
        "index": {"kind": "auto", "params": {}},
        "recall": 0.95,
        "chunking": {"size": 1_000, "overlap": 100},
        "version": 1,
        "documents": {},
        "chunks": {},
        "next_slot": 0,
    }


def merge(target: Json, patch: Json) -> Json:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


# Libraries


def patch_library(library: Record, changes: Record) -> None:
    """Change settings; an empty patch changes nothing, the version neither."""
    if not changes:
        return
    chunking = {**library["chunking"], **changes.get("chunking", {})}
    if 2 * chunking["overlap"] > chunking["size"]:
        raise Refused(422, "invalid-field")
    library.update(copy.deepcopy(changes), chunking=chunking, version=library["version"] + 1)
    library.pop("updated_at", None)


# Documents


def put_documents(library: Record, bodies: Sequence[Record], mode: str) -> None:
    """Store documents with their chunks, all or none. Each body has its id, and its chunks have theirs."""
    if mode == "create" and any(body["id"] in library["documents"] for body in bodies):
        raise Refused(409, "document-exists")
    for body in bodies:
        _refuse_owned_elsewhere(library, body["id"], body.get("chunks", ()))
    for body in bodies:
        _put_document(library, body)


def _put_document(library: Record, body: Record) -> None:
    chunks = body.get("chunks", [])
    kept = {chunk["id"] for chunk in chunks}
    for old in chunks_of(library, body["id"]):
        if old["id"] not in kept:
            del library["chunks"][old["id"]]
    old = library["documents"].get(body["id"], {"version": 0})
    fields = {name: body.get(name, default) for name, default in DOCUMENT_FIELDS.items()}
    library["documents"][body["id"]] = copy.deepcopy(
        {"id": body["id"], **fields, "version": old["version"] + 1, "next_index": len(chunks), **_created(old)}
    )
    for index, chunk in enumerate(chunks):
        _store_chunk(library, {**chunk, "document_id": body["id"]}, index)


def patch_document(library: Record, document_id: str, changes: Record) -> None:
    """Change fields of a document: metadata is merged, null clears, everything else replaces."""
    document = _document(library, document_id)
    if not changes:
        return
    changes = copy.deepcopy(changes)
    if "metadata" in changes:
        changes["metadata"] = merge(document["metadata"], changes["metadata"]) or {}
    if "tags" in changes:
        changes["tags"] = changes["tags"] or []
    document.update(changes)
    _touch(document)


def delete_document(library: Record, document_id: str) -> None:
    """Delete a document and its chunks."""
    _document(library, document_id)
    for chunk in chunks_of(library, document_id):
        del library["chunks"][chunk["id"]]
    del library["documents"][document_id]


# Chunks


def put_chunks(library: Record, bodies: Sequence[Record], mode: str) -> None:
    """Store chunks in documents that exist, all or none; each document's version rises once."""
    if any(body["document_id"] not in library["documents"] for body in bodies):
        raise Refused(404, "document-not-found")
    if mode == "create" and any(body["id"] in library["chunks"] for body in bodies):
        raise Refused(409, "chunk-exists")
    for body in bodies:
        _refuse_owned_elsewhere(library, body["document_id"], [body])
    for document_id in {body["document_id"] for body in bodies}:
        _touch(library["documents"][document_id])
    for body in bodies:
        document, old = library["documents"][body["document_id"]], library["chunks"].get(body["id"])
        _store_chunk(library, body, document["next_index"] if old is None else old["chunk_index"])
        document["next_index"] += old is None


def patch_chunk(library: Record, chunk_id: str, changes: Record) -> None:
    """Change fields of a chunk; its document's version rises too."""
    chunk = _chunk(library, chunk_id)
    if not changes:
        return
    if "metadata" in changes:
        changes = {**changes, "metadata": merge(chunk["metadata"], changes["metadata"]) or {}}
    _touch(library["documents"][chunk["document_id"]])
    _store_chunk(library, {**chunk, **changes}, chunk["chunk_index"])


def delete_chunk(library: Record, chunk_id: str) -> None:
    """Delete a chunk; the others keep their chunk_index."""
    chunk = _chunk(library, chunk_id)
    _touch(library["documents"][chunk["document_id"]])
    del library["chunks"][chunk_id]


def chunks_of(library: Record, document_id: str) -> list[Record]:
    """Return a document's chunks in their order."""
    owned = [chunk for chunk in library["chunks"].values() if chunk["document_id"] == document_id]
    return sorted(owned, key=lambda chunk: int(chunk["chunk_index"]))


def _store_chunk(library: Record, body: Record, index: int) -> None:
    """A vector that is new or has changed takes the next slot; slots are the order of chunks that are equally near."""
    old = library["chunks"].get(body["id"], {"version": 0, "embedding": None})
    same = old["embedding"] == body["embedding"]
    library["dimension"] = len(body["embedding"])
    library["chunks"][body["id"]] = copy.deepcopy(
        {
            "id": body["id"],
            "document_id": body["document_id"],
            "text": body["text"],
            "page_number": body.get("page_number"),
            "chunk_index": index,
            "metadata": body.get("metadata", {}),
            "version": old["version"] + 1,
            "embedding": body["embedding"],
            "slot": old["slot"] if same else library["next_slot"],
            **_created(old),
        }
    )
    library["next_slot"] += not same


# Search


def dot(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the dot product; exact for small integers."""
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return 1.0 - dot(left, right) / (math.sqrt(dot(left, left)) * math.sqrt(dot(right, right)))


def _l2(left: Sequence[float], right: Sequence[float]) -> float:
    return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(left, right, strict=True)))


DISTANCES: dict[str, Distance] = {"cosine": _cosine, "dot": lambda left, right: 0.0 - dot(left, right), "l2": _l2}


def nearest(library: Record, query: Sequence[float], k: int) -> list[tuple[Record, float]]:
    """Return the k nearest chunks with their distances, those equally near in the order of their slots."""
    distance = DISTANCES[library["metric"]]
    ranked = [(distance(query, chunk["embedding"]), chunk["slot"], chunk) for chunk in library["chunks"].values()]
    return [(chunk, far) for far, _, chunk in sorted(ranked, key=lambda each: each[:2])[:k]]


# Shared


def _document(library: Record, document_id: str) -> Record:
    if document_id not in library["documents"]:
        raise Refused(404, "document-not-found")
    found: Record = library["documents"][document_id]
    return found


def _chunk(library: Record, chunk_id: str) -> Record:
    if chunk_id not in library["chunks"]:
        raise Refused(404, "chunk-not-found")
    found: Record = library["chunks"][chunk_id]
    return found


def _refuse_owned_elsewhere(library: Record, document_id: str, chunks: Iterable[Record]) -> None:
    for chunk in chunks:
        owner = library["chunks"].get(chunk["id"], {"document_id": document_id})["document_id"]
        if owner != document_id:
            raise Refused(409, "chunk-owned-elsewhere")


def _touch(document: Record) -> None:
    document["version"] += 1
    document.pop("updated_at", None)


def _created(old: Record) -> Record:
    """Keep what must never change; `updated_at` is forgotten, because the next answer sets it."""
    return {"created_at": old["created_at"]} if "created_at" in old else {}
