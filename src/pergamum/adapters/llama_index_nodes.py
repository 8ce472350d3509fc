"""LlamaIndex's nodes as chunks of the documents they refer to, and back exactly as they were.

Metadata of a node is that of its chunk, so that filters see it, and what changes in the library changes in the node.
All else that a node has stands in the metadata under `_node_content`, as an object, which no schema takes for a field.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)

from pergamum.client import ChunkOfDocument, NewChunk, NewDocument
from pergamum.client.vectors import VectorLike
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.search import HitOut

CONTENT: Final = "_node_content"
_KINDS: Final[Mapping[str, type[BaseNode]]] = {
    kind.class_name(): kind for kind in (TextNode, Node, ImageNode, IndexNode, Document, ImageDocument)
}


def document_id(node: BaseNode) -> str:
    """Return the document a node belongs to: the one it refers to, or else one of its own."""
    return node.ref_doc_id or node.node_id


def chunk_of(node: BaseNode, vector: VectorLike | None) -> ChunkOfDocument:
    """Return the chunk of a node. Raises ValueError for metadata under the name that the rest of the node takes."""
    if CONTENT in node.metadata:
        raise ValueError(f"node {node.node_id!r}: metadata holds {CONTENT!r}, which the adapter keeps for itself")
    content: dict[str, Any] = node.model_dump(mode="json")
    metadata = content.pop("metadata")
    del content["id_"], content["embedding"]
    place = _text_place(content)
    text = place.pop("text") if isinstance(place.get("text"), str) else ""
    return ChunkOfDocument(id=node.node_id, text=text, metadata={**metadata, CONTENT: content}, embedding=vector)


def node_of(id: str, document_id: str, text: str, metadata: Mapping[str, Any]) -> BaseNode:
    """Return the node that a chunk holds, or a text node if the chunk was not stored as one."""
    known = {name: value for name, value in metadata.items() if name != CONTENT}
    content = metadata.get(CONTENT)
    if not isinstance(content, Mapping):
        source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document_id)}
        return TextNode(id_=id, text=text, metadata=known, relationships=source)
    whole: dict[str, Any] = {**content, "id_": id, "metadata": known}
    place = _text_place(whole)
    if "text" not in place:
        place["text"] = text
    return _KINDS.get(whole.get("class_name", ""), TextNode).from_dict(whole)


def _text_place(content: dict[str, Any]) -> dict[str, Any]:
    """Return where the text stands, in nodes of old and of new kinds. The object inside is made a new one."""
    if not isinstance(content.get("text_resource"), Mapping):
        return content if "text_resource" not in content else {"text": None}
    place = content["text_resource"] = dict(content["text_resource"])
    return place


def drafts(nodes: Iterable[BaseNode], *, embedded: bool) -> dict[str, list[ChunkOfDocument]]:
    """Return the chunks of nodes by document; of nodes with the same id the last. Unless `embedded`, without vectors.

    Raises ValueError for a node without an embedding, if embeddings are wanted.
    """
    by_document: dict[str, list[ChunkOfDocument]] = {}
    for node in {node.node_id: node for node in nodes}.values():
        chunk = chunk_of(node, node.get_embedding() if embedded else None)
        by_document.setdefault(document_id(node), []).append(chunk)
    return by_document


def new_documents(drafts: Mapping[str, list[ChunkOfDocument]], existing: set[str]) -> list[NewDocument]:
    """Return the documents that do not exist yet, with their chunks."""
    return [NewDocument(id=id, chunks=chunks) for id, chunks in drafts.items() if id not in existing]


def new_chunks(drafts: Mapping[str, list[ChunkOfDocument]], existing: set[str]) -> list[NewChunk]:
    """Return the chunks for documents that exist."""
    return [NewChunk(document_id=id, **chunk) for id, chunks in drafts.items() if id in existing for chunk in chunks]


def found(hit: HitOut) -> BaseNode:
    """Return the node of a hit."""
    return node_of(hit.chunk_id, hit.document_id, hit.text, hit.metadata)


def stored(chunk: ChunkOut) -> BaseNode:
    """Return the node of a chunk."""
    return node_of(chunk.id, chunk.document_id, chunk.text, chunk.metadata)
