"""Documents of Haystack as documents of Pergamum and back: the same id, and one chunk of that id for the content.

`meta` is the metadata of the document, `content` the text of the chunk. Without an embedding, of its own or of the
server, there is no chunk: the content is kept with the metadata, and nothing but lists and filters finds the document.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from haystack.dataclasses import ByteStream, Document, SparseEmbedding

from pergamum.adapters.haystack_fields import KEPT, SERVER_EMBEDDED, MetaWriter, kept_of, meta_of
from pergamum.client import ChunkOfDocument, NewDocument, decoded
from pergamum.domain.json import Json, JsonObject
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.documents import DocumentOut
from pergamum.wire.search import HitOut

HIT_FIELDS: Final = ("text", "metadata", "document.metadata")


@dataclass(frozen=True, slots=True)
class DocumentWriter:
    """Makes documents to store; `embeds`: the server embeds contents that come without an embedding."""

    meta: MetaWriter
    embeds: bool

    def document(self, document: Document) -> NewDocument:
        """Return the document to store. Raises ValueError for `meta` that cannot be kept."""
        try:
            metadata = self.meta.metadata(document.meta)
        except ValueError as fault:
            raise ValueError(f"document {document.id!r}: {fault}") from None
        chunk = self._chunk(document)
        kept = _kept(document, has_chunk=chunk is not None)
        if kept:
            metadata[KEPT] = kept
        if chunk is not None and document.embedding is None:
            metadata[SERVER_EMBEDDED] = True
        return {"id": document.id, "metadata": metadata, "chunks": [] if chunk is None else [chunk]}

    def _chunk(self, document: Document) -> ChunkOfDocument | None:
        text = document.content or ""
        if document.embedding is not None:
            return {"id": document.id, "text": text, "embedding": document.embedding}
        return {"id": document.id, "text": text} if self.embeds and text.strip() else None


def without_embedding(documents: Iterable[Document]) -> int:
    """Return how many of the documents bring no embedding."""
    return sum(document.embedding is None for document in documents)


def found_document(found: DocumentOut, chunks: Sequence[ChunkOut]) -> Document:
    """Return a stored document; `chunks` are its own, in order.

    Of a document that others stored in many chunks, the content is their texts in lines, and there is no embedding.
    """
    kept = kept_of(found.metadata)
    content = "\n".join(chunk.text for chunk in chunks) if chunks else None
    embedding = None
    if len(chunks) == 1 and chunks[0].embedding is not None and SERVER_EMBEDDED not in found.metadata:
        embedding = decoded(chunks[0].embedding).tolist()
    return _document(found.id, content, found.metadata, embedding=embedding, score=kept.get("score"))


def found_hit(hit: HitOut) -> Document:
    """Return the chunk that was found, with its score. One that others stored has the metadata of its document, too."""
    metadata = (hit.document.metadata if hit.document is not None else None) or {}
    embedding = decoded(hit.vector).tolist() if hit.vector is not None else None
    return _document(hit.chunk_id, hit.text, {**metadata, **hit.metadata}, embedding=embedding, score=hit.score)


def _kept(document: Document, *, has_chunk: bool) -> JsonObject:
    """Return what has no place elsewhere. A content that is None is told apart from an empty one."""
    kept: JsonObject = {}
    if (document.content is not None) != has_chunk:
        kept["content"] = document.content
    if document.blob is not None:
        blob = document.blob
        data = b64encode(blob.data).decode("ascii")
        kept["blob"] = {"data": data, "mime_type": blob.mime_type, "meta": blob.meta}
    if document.sparse_embedding is not None:
        kept["sparse_embedding"] = document.sparse_embedding.to_dict()
    if document.score is not None:
        kept["score"] = document.score
    return kept


def _document(
    id: str, content: str | None, metadata: JsonObject, *, embedding: list[float] | None, score: Json
) -> Document:
    kept: dict[str, Any] = kept_of(metadata)
    blob, sparse = kept.get("blob"), kept.get("sparse_embedding")
    return Document(
        id=id,
        content=kept.get("content", content),
        meta=meta_of(metadata),
        blob=ByteStream(b64decode(blob["data"]), mime_type=blob["mime_type"], meta=blob["meta"]) if blob else None,
        sparse_embedding=SparseEmbedding.from_dict(sparse) if sparse else None,
        embedding=embedding,
        score=score if isinstance(score, int | float) else None,
    )
