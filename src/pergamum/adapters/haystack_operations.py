"""What a document store does, as scripts: opens its library, writes, lists, deletes, updates, searches."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, TypeVar

from haystack import Document
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError

from pergamum.adapters.haystack_documents import (
    HIT_FIELDS,
    DocumentWriter,
    found_document,
    found_hit,
    without_embedding,
)
from pergamum.adapters.haystack_fields import MetaWriter, stale_names, types_of
from pergamum.adapters.haystack_filters import ALL, translated
from pergamum.adapters.haystack_scripts import Ask, Script
from pergamum.client import Conflict, Invalid, NewDocument, NewLibrary, NotFound, Query, Stored
from pergamum.domain.json import JsonObject
from pergamum.wire.chunks import ChunkOut
from pergamum.wire.libraries import LibraryOut
from pergamum.wire.schema import SchemaOut
from pergamum.wire.search import SearchOut
from pergamum.wire.selection import DeleteWhereOut, UpdateWhereOut

T = TypeVar("T")
_log = logging.getLogger("pergamum.adapters.haystack")
Filters: TypeAlias = Mapping[str, Any]
"""A filter as Haystack writes it; an empty one, where one may be left out, holds for everything."""
_BATCH: Final = 1_000
_IDS: Final = 10_000
_ATTEMPTS: Final = 10
_LONG: Final = 10_000
_MISFIT: Final = "/problems/invalid-metadata"
_FILTER_PROBLEMS: Final = frozenset({"/problems/invalid-filter", "/problems/unknown-field"})


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations on the library that `settings` name, and that are to create it."""

    settings: NewLibrary

    @property
    def name(self) -> str:
        """The library's name."""
        return self.settings["name"]

    def open(self) -> Script[LibraryOut]:
        """Return the library, made if it does not exist. Raises DocumentStoreError for other vectors than wanted."""
        try:
            found: LibraryOut = yield lambda client: client.library(self.name).refresh()
        except NotFound:
            with suppress(Conflict):  # somebody else made it just now
                yield lambda client: client.libraries.create(**self.settings)
            found = yield lambda client: client.library(self.name).refresh()
        wanted = self.settings.get("dimension")
        if wanted is not None and found.dimension != wanted:
            raise DocumentStoreError(f"library {self.name!r} holds vectors of {found.dimension} numbers, not {wanted}")
        model = self.settings.get("embedding_model")
        if model is not None and found.embedding_model != model:
            raise DocumentStoreError(f"library {self.name!r} embeds with {found.embedding_model}, not {model}")
        return found

    def recreate(self) -> Script[LibraryOut]:
        """Delete the library with its schema and make it again."""
        with suppress(NotFound):
            yield lambda client: client.libraries.delete(self.name)
        return (yield from self.open())

    # Writing

    def write(self, documents: Sequence[Document], policy: DuplicatePolicy, *, embeds: bool) -> Script[int]:
        """Store the documents; return how many were written. Raises DuplicateDocumentError."""
        if not embeds and without_embedding(documents):
            _log.warning(
                "%d documents without an embedding are kept, but no retriever finds them: library %r embeds nothing",
                without_embedding(documents),
                self.name,
            )
        if policy is DuplicatePolicy.OVERWRITE:
            last = {document.id: document for document in documents}
            yield from self._store(list(last.values()), "upsert", embeds)
            return len(documents)
        first = {document.id: document for document in reversed(documents)}
        once = [document for document in documents if first[document.id] is document]
        if policy is DuplicatePolicy.SKIP:
            return (yield from self._write_new(once, embeds))
        if len(first) < len(documents):
            twice = next(document.id for document in documents if first[document.id] is not document)
            raise DuplicateDocumentError(f"document {twice!r} is there twice")
        try:
            yield from self._store(once, "create", embeds)
        except Conflict as error:
            raise DuplicateDocumentError(error.detail) from error
        return len(documents)

    def _write_new(self, documents: Sequence[Document], embeds: bool) -> Script[int]:
        """Store the documents whose ids do not exist. What cannot be kept is refused before any is stored."""
        written, checking = 0, DocumentWriter(MetaWriter({}), embeds)
        for document in documents:
            checking.document(document)
        for batch in _batches(documents, _BATCH):
            written += yield from self._write_new_ones(batch, embeds, _ATTEMPTS)
        return written

    def _write_new_ones(self, batch: Sequence[Document], embeds: bool, attempts: int) -> Script[int]:
        there = yield from self._existing([document.id for document in batch])
        new = [document for document in batch if document.id not in there]
        try:
            yield from self._store(new, "create", embeds)
        except Conflict:  # somebody else stored one of them just now
            if attempts <= 1:
                raise
            return (yield from self._write_new_ones(batch, embeds, attempts - 1))
        return len(new)

    def _store(self, documents: Sequence[Document], mode: Literal["create", "upsert"], embeds: bool) -> Script[None]:
        """Store the documents, one batch after the other, so that their order and the types of fields are settled."""
        done: int | Stored = 0
        for attempt in range(_ATTEMPTS if documents else 0):
            types = types_of((yield from self.schema()))
            writer = DocumentWriter(MetaWriter(types), embeds)
            made = [writer.document(document) for document in documents]
            try:
                yield self._add(made, mode, done)
            except Invalid as error:
                if error.type != _MISFIT or attempt == _ATTEMPTS - 1 or types == types_of((yield from self.schema())):
                    raise _noted(error, documents)  # noqa: B904  # it is the very same error
                done = error.stored or 0  # somebody else's value has fixed the type of a field meanwhile
            else:
                return

    def _add(self, made: Sequence[NewDocument], mode: Literal["create", "upsert"], done: int | Stored) -> Ask:
        return lambda client: client.library(self.name).documents.add_many(made, mode=mode, concurrency=1, skip=done)

    def _existing(self, ids: Sequence[str]) -> Script[set[str]]:
        wanted: JsonObject = {"field": "id", "op": "in", "value": list(ids)}
        found = yield lambda client: client.library(self.name).documents.list(filter=wanted).to_list()
        return {document.id for document in found}

    # Reading

    def count(self, filters: Filters | None) -> Script[int]:
        """Count the documents."""
        where = yield from self.where(filters)
        found: int = yield lambda client: client.library(self.name).documents.count(where)
        return found

    def documents(self, filters: Filters | None) -> Script[list[Document]]:
        """Return the documents in the order in which they were first stored, with their embeddings."""
        where = yield from self.where(filters)
        found = (
            yield lambda client: client.library(self.name).documents.list(filter=where, order_by="created_at").to_list()
        )
        chunks: dict[str, list[ChunkOut]] = {}
        if any(document.chunks for document in found):
            listed = yield lambda client: client.library(self.name).chunks.list(filter=where, embedding=True).to_list()
            for chunk in sorted(listed, key=lambda chunk: int(chunk.chunk_index)):
                chunks.setdefault(chunk.document_id, []).append(chunk)
        # A document that has lost its chunks between the two lists was deleted or replaced meanwhile.
        there = [document for document in found if not document.chunks or document.id in chunks]
        return [found_document(document, chunks.get(document.id, ())) for document in there]

    def where(self, filters: Filters | None) -> Script[JsonObject | None]:
        """Return the filter; None for all. Raises FilterError."""
        return (yield from self.selecting(filters)) if filters else None

    def selecting(self, filters: Filters) -> Script[JsonObject]:
        """Return the filter. Raises FilterError, for an empty one too."""
        schema = yield from self.schema()
        return translated(filters, types_of(schema), open=schema.mode == "open")

    def schema(self) -> Script[SchemaOut]:
        """Return the library's schema."""
        found: SchemaOut = yield lambda client: client.library(self.name).schema.get()
        return found

    # Deleting, updating

    def delete(self, ids: Sequence[str]) -> Script[None]:
        """Delete the documents of these ids; those that do not exist are ignored."""
        for batch in _batches(ids, _IDS):
            yield from self._delete({"field": "id", "op": "in", "value": [*batch]})

    def delete_by_filter(self, filters: Filters) -> Script[int]:
        """Delete the documents that the filter holds for; return how many."""
        where = yield from self.selecting(filters)
        return (yield from self._delete(where))

    def delete_all(self) -> Script[int]:
        """Delete all documents; the library stays, with its schema."""
        return (yield from self._delete(ALL))

    def _delete(self, where: JsonObject) -> Script[int]:
        gone: DeleteWhereOut = yield lambda client: client.library(self.name).documents.delete_where(where)
        return gone.deleted

    def update_by_filter(self, filters: Filters, meta: Mapping[str, Any]) -> Script[int]:
        """Set names of `meta` where the filter holds; return how many documents were changed."""
        where = yield from self.selecting(filters)
        if not meta:
            return (yield from self.count(filters))
        types = types_of((yield from self.schema()))
        new = {name: value for name, value in MetaWriter(types).metadata(meta).items() if value is not None}
        stale = {old for name in meta for old in stale_names(types, name)} - set(new)
        changed: UpdateWhereOut = yield lambda client: client.library(self.name).documents.update_where(
            where,
            set={f"metadata.{name}": value for name, value in new.items()},
            unset=[f"metadata.{name}" for name in sorted(stale)],
        )
        return changed.updated

    # Searching

    def search(self, query: Query, filters: Filters | None, *, embeddings: bool) -> Script[list[Document]]:
        """Return what a search finds, best first."""
        where = yield from self.where(filters)
        asked: Query = {**query, "filter": where, "select": [*HIT_FIELDS, "vector"] if embeddings else HIT_FIELDS}
        answer: SearchOut = yield lambda client: client.library(self.name).search(**asked)
        return [found_hit(hit) for hit in answer.hits]


def with_filter_errors(script: Script[T]) -> Script[T]:
    """Run the script; a filter that the server refuses, such as one nested too deep, is a FilterError."""
    try:
        return (yield from script)
    except Invalid as error:
        if error.type in _FILTER_PROBLEMS:
            raise FilterError(error.detail) from error
        raise


def _noted(error: Invalid, documents: Iterable[Document]) -> Invalid:
    if any(len(document.content or "") > _LONG for document in documents if document.embedding is None):
        error.add_note("a document without an embedding has to fit into 64 KiB of metadata with its content")
    return error


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
