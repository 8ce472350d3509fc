"""From the wire to what the services take."""

from collections.abc import Mapping

from pergamum.domain.chunk import ChunkChanges
from pergamum.domain.document import DocumentChanges
from pergamum.domain.json import JsonObject
from pergamum.domain.library import Chunking, IndexSpec, LibraryChanges
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges
from pergamum.domain.schema_json import declared_schema
from pergamum.errors import InvalidField
from pergamum.services.drafts import ChunkDraft, DocumentDraft, LibraryDraft, LibraryReplacement, OwnedChunkDraft
from pergamum.wire.chunks import ChunkIn, ChunkOfDocumentIn, ChunkPatch
from pergamum.wire.documents import DocumentIn, DocumentPatch
from pergamum.wire.libraries import IndexSpecIn, LibraryIn, LibraryPatch
from pergamum.wire.schema import FieldIn, FieldPatch, LevelPatch, SchemaIn, SchemaPatch

DEFAULT_MODEL = "local"
FIXED = ("metric", "dimension", "embedding_model")
"""The settings of a library that never change."""


def library_draft(body: LibraryIn) -> LibraryDraft:
    """Return the library to create. With neither dimension nor model given the model is the local one."""
    says_nothing = body.dimension is None and "embedding_model" not in body.model_fields_set
    return LibraryDraft(
        name=body.name,
        description=body.description,
        metric=body.metric,
        dimension=body.dimension,
        embedding_model=DEFAULT_MODEL if says_nothing else body.embedding_model,
        index=index_spec(body.index),
        recall=body.recall,
        chunking=Chunking(body.chunking.size, body.chunking.overlap),
        metadata_schema=metadata_schema(body.metadata_schema),
    )


def metadata_schema(body: SchemaIn) -> MetadataSchema:
    """Return the schema that is declared. Raises `InvalidField`."""
    try:
        return declared_schema(body.mode, _said(body.documents), _said(body.chunks))
    except InvalidField as fault:
        raise InvalidField(f"metadata_schema.{fault.facts['field']}", str(fault.facts["reason"])) from None


def schema_changes(body: SchemaPatch) -> SchemaChanges:
    """Return what changes of a schema."""
    return SchemaChanges(body.mode, _level_changes(body.documents), _level_changes(body.chunks))


def _level_changes(body: LevelPatch) -> LevelChanges:
    return LevelChanges(_said(body.add), tuple(body.drop), body.rename, _said(body.change))


def _said(fields: Mapping[str, FieldIn] | Mapping[str, FieldPatch]) -> dict[str, JsonObject]:
    """Return of each field what was said of it."""
    return {name: field.model_dump(exclude_unset=True) for name, field in fields.items()}


def library_changes(body: LibraryPatch) -> tuple[LibraryChanges, dict[str, int]]:
    """Return what changes of the settings, and of `chunking` apart, which is merged."""
    given = body.model_fields_set
    changes: LibraryChanges = {}
    if "name" in given:
        changes["name"] = body.name
    if "description" in given:
        changes["description"] = body.description
    if body.index.model_fields_set:
        changes["index"] = index_spec(body.index)
    if "recall" in given:
        changes["recall"] = body.recall
    return changes, body.chunking.model_dump(exclude_unset=True)


def library_replacement(body: LibraryIn) -> LibraryReplacement:
    """Return the settings that replace all that may change, and what was said of those that may not."""
    draft = library_draft(body)
    changes = LibraryChanges(
        name=draft.name, description=draft.description, index=draft.index, recall=draft.recall, chunking=draft.chunking
    )
    said = body.model_fields_set - ({"dimension"} if body.dimension is None else set())
    schema = draft.metadata_schema if "metadata_schema" in said else None
    return LibraryReplacement(changes, {name: getattr(body, name) for name in FIXED if name in said}, schema)


def index_spec(body: IndexSpecIn) -> IndexSpec:
    """Return the index that is asked for."""
    return IndexSpec(body.kind, {**body.params})


def document_draft(body: DocumentIn, document_id: str | None = None) -> DocumentDraft:
    """Return the document to store; `document_id` is that of the path, where there is one."""
    return DocumentDraft(
        id=document_id or body.id,
        title=body.title,
        author=body.author,
        document_type=body.document_type,
        source_url=body.source_url,
        tags=tuple(body.tags),
        metadata={**body.metadata},
        text=body.text,
        chunks=None if body.chunks is None else tuple(map(chunk_draft, body.chunks)),
    )


def document_changes(body: DocumentPatch) -> DocumentChanges:
    """Return what changes of a document; null clears."""
    given = body.model_fields_set
    changes: DocumentChanges = {}
    if "title" in given:
        changes["title"] = body.title
    if "author" in given:
        changes["author"] = body.author
    if "document_type" in given:
        changes["document_type"] = body.document_type
    if "source_url" in given:
        changes["source_url"] = body.source_url
    if "tags" in given:
        changes["tags"] = tuple(body.tags or ())
    if "metadata" in given:
        changes["metadata"] = None if body.metadata is None else {**body.metadata}
    if "text" in given:
        changes["text"] = body.text
    return changes


def new_chunks(body: DocumentPatch) -> tuple[ChunkDraft, ...] | None:
    """Return the chunks that come with a new text; None where it is to be split."""
    return tuple(map(chunk_draft, body.chunks)) if "chunks" in body.model_fields_set else None


def chunk_draft(body: ChunkOfDocumentIn, chunk_id: str | None = None) -> ChunkDraft:
    """Return the chunk to store; `chunk_id` is that of the path, where there is one."""
    return ChunkDraft(
        id=chunk_id or body.id,
        text=body.text,
        embedding=body.embedding,
        page_number=body.page_number,
        metadata={**body.metadata},
    )


def owned_chunk_draft(body: ChunkIn, chunk_id: str | None = None) -> OwnedChunkDraft:
    """Return the chunk to store in the document it names."""
    return OwnedChunkDraft(body.document_id, chunk_draft(body, chunk_id))


def chunk_changes(body: ChunkPatch) -> ChunkChanges:
    """Return what changes of a chunk; null clears."""
    given = body.model_fields_set
    changes: ChunkChanges = {}
    if "text" in given:
        changes["text"] = body.text
    if "embedding" in given:
        changes["embedding"] = body.embedding
    if "page_number" in given:
        changes["page_number"] = body.page_number
    if "metadata" in given:
        changes["metadata"] = None if body.metadata is None else {**body.metadata}
    return changes
