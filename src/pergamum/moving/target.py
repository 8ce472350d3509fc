"""The library that rows are moved into: made or checked, written, and told its fields at the end."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from pergamum.client import Conflict, F, Library, NewDocument, NewLibrary, NotFound, Pergamum, Refused
from pergamum.client.batching import batches
from pergamum.client.drafts import NewChunk
from pergamum.domain.vectors import Metric
from pergamum.moving.base import About, CannotMove
from pergamum.moving.draft import Draft
from pergamum.moving.fields import Fields
from pergamum.moving.report import Report

MOST_BYTES: Final = 8 << 20
MOST_KNOWN: Final = 100_000
"""Documents that are remembered to exist."""
_LOOKED_FOR: Final = 1_000


class Target(Protocol):
    """Where drafts go."""

    def store(self, drafts: Sequence[Draft], report: Report) -> None:
        """Store the drafts in place of those with their ids; count each as moved, or leave it out with its reason."""


def found_library(client: Pergamum, name: str, about: About, metric: Metric) -> Library | None:
    """Return the library that is there. Raises `CannotMove` when it cannot take such vectors."""
    try:
        library = client.libraries.get(name)
    except NotFound:
        return None
    info = library.refresh()
    if info.metric is not metric:
        raise CannotMove(
            f"the library {name!r} compares by {info.metric}, {about.name} by {metric};"
            f" --metric {info.metric} moves the vectors all the same"
        )
    if None not in {info.dimension, about.dimension} and info.dimension != about.dimension:
        raise CannotMove(f"the library {name!r} has {info.dimension} dimensions, {about.name} {about.dimension}")
    return library


def new_library(client: Pergamum, name: str, dimension: int | None, metric: Metric, model: str | None) -> Library:
    """Create the library. Until its fields are declared it takes metadata of any types."""
    fields = NewLibrary(name=name, metric=metric.value, embedding_model=model, metadata_schema={"mode": "open"})
    if dimension is not None:
        fields["dimension"] = dimension
    return client.libraries.create(**fields)


def declare(library: Library, fields: Fields) -> None:
    """Declare the fields that were seen; from now on new ones are inferred. Doing it again changes nothing."""
    known = library.schema.get()
    missing = {name: said for name, said in fields.declared().items() if name not in known.chunks}
    if missing or known.mode != "inferred":
        library.schema.change(mode="inferred", chunks={"add": missing})


@dataclass(frozen=True, slots=True)
class OneDocumentEach:
    """Every draft becomes a document with one chunk."""

    library: Library

    def store(self, drafts: Sequence[Draft], report: Report) -> None:
        """Store the drafts; a repetition replaces them by themselves."""
        encoded = ((draft, self.library.documents.encoded(_document(draft))) for draft in drafts)
        for batch in batches(encoded, len(drafts), MOST_BYTES, size=lambda item: len(item[1])):
            answer = self.library.documents.import_batch([body for _, body in batch], on_error="skip")
            report.moved += answer.accepted
            for fault in answer.errors:
                report.leave_out(batch[fault.line - 1][0].id, _refused_for(fault.type), fault.detail)
            for _ in range(answer.failed - len(answer.errors)):
                report.leave_out("", "the library refuses, beyond the first of a request")


@dataclass(frozen=True, slots=True)
class ChunksOfDocuments:
    """Drafts become chunks of the documents they name, which are made where they are missing."""

    library: Library
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def store(self, drafts: Sequence[Draft], report: Report) -> None:
        """Store the drafts; a document that is there stays as it is, a chunk is replaced."""
        self._make_documents(dict.fromkeys(draft.document_id for draft in drafts))
        chunks = [_chunk(draft) for draft in drafts]
        stored = self.library.chunks.add_many(chunks, concurrency=1, on_error="collect")  # one at a time: in order
        report.moved += len(drafts) - stored.refused
        for failed in stored.failed:
            error = failed.error
            kind, detail = (error.type, error.detail) if isinstance(error, Refused) else ("unsendable", str(error))
            report.leave_out(failed.id, _refused_for(kind), detail)

    def _make_documents(self, ids: Iterable[str]) -> None:
        unknown = [id for id in ids if id not in self._known]
        for start in range(0, len(unknown), _LOOKED_FOR):
            wanted = unknown[start : start + _LOOKED_FOR]
            try:
                self._make(wanted)
            except Conflict:  # another program made one of them just now
                self._make(wanted)
        self._known.update(dict.fromkeys(unknown))
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _make(self, ids: Sequence[str]) -> None:
        there = {document.id for document in self.library.documents.list(filter=F.id.in_(list(ids)))}
        missing = [NewDocument(id=id) for id in ids if id not in there]
        if missing:
            self.library.documents.add_many(missing, mode="create")


def _document(draft: Draft) -> NewDocument:
    document = NewDocument(id=draft.document_id, chunks=[draft.chunk])
    if draft.url is not None:
        document["source_url"] = draft.url
    return document


def _chunk(draft: Draft) -> NewChunk:
    return NewChunk(document_id=draft.document_id, **draft.chunk)


def _refused_for(kind: str) -> str:
    return f"the library refuses: {kind.rsplit('/', 1)[-1]}"
