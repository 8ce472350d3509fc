"""Every error of Pergamum: facts, no HTTP. `api/problems.py` turns them into answers.

PergamumError
├─ Invalid                    the request can never work as it is
│  ├─ InvalidField            one value breaks a rule; says which field and why
│  ├─ InvalidMetadata         metadata does not fit the schema; says which field, why, and what type it has
│  ├─ InvalidFilter           a filter breaks a rule, or a value does not fit its field's type
│  ├─ UnknownField            a filter, order or facet names a field that nothing has; says the nearest
│  ├─ InvalidCursor
│  ├─ DuplicateId             the same id twice in one request
│  ├─ DimensionMismatch, NotFinite, ZeroVector
│  ├─ EmbeddingRequired       text, but the library has no model to embed it
│  ├─ UnknownModel, UnknownReranker
│  ├─ IdempotencyKeyReused    the key was given to another request
│  └─ NothingToMeasure        a preflight of a library without vectors
├─ NotFound                   LibraryNotFound, DocumentNotFound, ChunkNotFound, OperationNotFound
├─ CursorExpired              the answer that a cursor leads through is not kept any more
├─ Conflict                   LibraryExists, DocumentExists, ChunkExists, ChunkOwnedElsewhere, OperationEnded
│  ├─ SchemaMismatch          stored metadata would not fit the changed schema; says how much, and an example
│  └─ PreconditionFailed      the thing is not the version that the request speaks of; says which it is
├─ AnsweredBefore             no fault: this very request was carried out; carries the reply it was given
├─ TooLarge                   the body is over the configured limit
├─ UnsupportedMediaType       neither JSON nor NDJSON
├─ Unavailable                try again later
│  ├─ ShuttingDown, Overloaded
│  ├─ LibraryReadOnly         a flush failed: nothing more is acknowledged until the library is reopened
│  ├─ OutcomeUnknown          the flush of this very write failed: it may or may not have been kept
│  └─ PositionNotReached      the library has not come to the position that the request wants to see
├─ StorageFull                no space left; nothing of the write was kept
├─ ProviderFailed             a model's provider refused or cannot be reached: EmbeddingFailed, RerankFailed
├─ Damaged                    stored bytes do not match their checksum, or a file is missing or unreadable
│  ├─ NewerFormat             a file was written by a newer release
│  └─ KeywordsDamaged         only the keyword index, which is made again from the rows
└─ CannotStart                DataFolderInUse, UnsafeSqlite
"""

from collections.abc import Mapping
from typing import Self, TypeAlias

Fact: TypeAlias = str | int | float | bool | None


class PergamumError(Exception):
    """Something Pergamum refuses or cannot do."""

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.facts: Mapping[str, Fact] = facts

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        Exception.__init__(twin, str(self))
        twin.facts = self.facts
        return twin

    def located(self, **where: Fact) -> Self:
        """Return this error knowing where it happened, such as `document=3, chunk=0`; facts already there are kept."""
        self.facts = where | dict(self.facts)
        return self


class Invalid(PergamumError):
    """The request can never work as it is."""


class InvalidField(Invalid):
    """A value breaks a rule."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", field=field, reason=reason)


class InvalidFilter(Invalid):
    """A filter breaks a rule, or asks of a field what its type cannot answer.

    `field` is the path of what is at fault, such as `filter.and.0.value`; `field_name` and `field_type` are those of
    the field that the condition is about, where it is known.
    """

    def __init__(self, field: str, reason: str, **about: Fact) -> None:
        super().__init__(f"{field}: {reason}", field=field, reason=reason, **about)


class UnknownField(Invalid):
    """Neither documents nor chunks have such a field."""

    def __init__(self, field: str, level: str, nearest: str | None) -> None:
        guess = "" if nearest is None else f"; did you mean {nearest!r}?"
        super().__init__(f"{level}s have no field {field!r}{guess}", field=field, level=level, nearest=nearest)


class InvalidMetadata(Invalid):
    """Metadata does not fit the library's schema."""

    def __init__(self, name: str, reason: str, expected: str | None = None) -> None:
        field = f"metadata.{name}"
        told = {} if expected is None else {"expected": expected}
        super().__init__(f"{field}: {reason}", field=field, reason=reason, **told)


class InvalidCursor(Invalid):
    """The cursor was not made by this server for this list."""

    def __init__(self) -> None:
        super().__init__("the cursor was not made by this server for this list")


class DuplicateId(Invalid):
    """The same id appears twice in one request."""

    def __init__(self, noun: str, id: str) -> None:
        super().__init__(f"{noun} id {id!r} appears twice in one request", noun=noun, id=id)


class DimensionMismatch(Invalid):
    """The vector is not as long as the library's dimension."""

    def __init__(self, expected: int, received: int) -> None:
        super().__init__(
            f"expected a vector of {expected} numbers, received {received}", expected=expected, received=received
        )


class NotFinite(Invalid):
    """The vector holds NaN, infinity or a number beyond float32."""

    def __init__(self, at: int) -> None:
        super().__init__(f"number {at} of the vector is not a finite float32", at=at)


class ZeroVector(Invalid):
    """A zero vector has no direction, so cosine cannot compare it."""

    def __init__(self) -> None:
        super().__init__("a zero vector has no direction, so cosine cannot compare it")


class EmbeddingRequired(Invalid):
    """The library has no embedding model, so text needs a vector with it."""

    def __init__(self) -> None:
        super().__init__("the library's vectors come from outside, so give the vector beside or instead of the text")


class UnknownModel(Invalid):
    """No embedding model of this name is available on this server."""

    def __init__(self, model: str, available: str) -> None:
        super().__init__(f"no embedding model {model!r}; available: {available}", model=model, available=available)


class UnknownReranker(Invalid):
    """No judge of relevance of this name is available on this server."""

    def __init__(self, reranker: str, available: str) -> None:
        super().__init__(f"no reranker {reranker!r}; available: {available}", reranker=reranker, available=available)


class NothingToMeasure(Invalid):
    """The library holds no vectors yet, so nothing can be predicted of an index over them."""

    def __init__(self) -> None:
        super().__init__("the library holds no vectors yet, so nothing can be predicted of an index over them")


class IdempotencyKeyReused(Invalid):
    """The idempotency key was given to another request before."""

    def __init__(self) -> None:
        super().__init__("the idempotency key was given to another request: method, path, query or body differ")


class NotFound(PergamumError):
    """Nothing is stored under this name or id."""


class LibraryNotFound(NotFound):
    """There is no such library."""

    def __init__(self, library: str) -> None:
        super().__init__(f"no library {library!r}", library=library)


class DocumentNotFound(NotFound):
    """The library has no such document."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"no document {document_id!r}", document_id=document_id)


class ChunkNotFound(NotFound):
    """The library has no such chunk."""

    def __init__(self, chunk_id: str) -> None:
        super().__init__(f"no chunk {chunk_id!r}", chunk_id=chunk_id)


class OperationNotFound(NotFound):
    """There is no such operation."""

    def __init__(self, operation_id: str) -> None:
        super().__init__(f"no operation {operation_id!r}", operation_id=operation_id)


class CursorExpired(PergamumError):
    """The answer that the cursor leads through is not kept any more."""

    def __init__(self) -> None:
        super().__init__("the answer that the cursor leads through is not kept any more; search again")


class Conflict(PergamumError):
    """The request contradicts what is stored."""


class LibraryExists(Conflict):
    """Another library has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"another library is named {name!r}", name=name)


class DocumentExists(Conflict):
    """A document has this id already."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"document {document_id!r} exists already", document_id=document_id)


class ChunkExists(Conflict):
    """A chunk has this id already."""

    def __init__(self, chunk_id: str) -> None:
        super().__init__(f"chunk {chunk_id!r} exists already", chunk_id=chunk_id)


class ChunkOwnedElsewhere(Conflict):
    """The chunk id belongs to another document of the library."""

    def __init__(self, chunk_id: str, document_id: str) -> None:
        super().__init__(
            f"chunk {chunk_id!r} belongs to document {document_id!r}", chunk_id=chunk_id, document_id=document_id
        )


class SchemaMismatch(Conflict):
    """Stored metadata would not fit the changed schema."""

    def __init__(self, documents: int, chunks: int, **example: Fact) -> None:
        super().__init__(
            f"the metadata of {documents} documents and {chunks} chunks would not fit the changed schema",
            documents=documents,
            chunks=chunks,
            **example,
        )


class PreconditionFailed(Conflict):
    """What is stored is not the version that the request was made for."""

    def __init__(self, etag: str | None) -> None:
        current = "there is nothing" if etag is None else f"its etag is {etag!r} now"
        super().__init__(f"what is stored is not the version that was to be changed: {current}", etag=etag)


class AnsweredBefore(PergamumError):
    """The request was carried out before, and `reply` is what it was answered; nothing was done now."""

    def __init__(self, reply: bytes) -> None:
        super().__init__("the request was carried out before")
        self.reply = reply


class OperationEnded(Conflict):
    """The operation has ended, so it cannot be cancelled."""

    def __init__(self, operation_id: str, status: str) -> None:
        super().__init__(f"operation {operation_id!r} has {status}", operation_id=operation_id, operation_status=status)


class TooLarge(PergamumError):
    """The request is over a configured limit."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is over the limit of {limit}", limit=limit)


class UnsupportedMediaType(PergamumError):
    """The body is neither JSON nor, where that is accepted, NDJSON."""

    def __init__(self, received: str, expected: str) -> None:
        super().__init__(f"expected {expected}, received {received!r}", received=received, expected=expected)


class Unavailable(PergamumError):
    """The request may work later."""


class ShuttingDown(Unavailable):
    """The server is stopping."""

    def __init__(self) -> None:
        super().__init__("the server is stopping")


class Overloaded(Unavailable):
    """Too much is waiting already."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"more than {limit} {what} are waiting", limit=limit)


class LibraryReadOnly(Unavailable):
    """A flush failed, so nothing more is acknowledged until the library is reopened."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the library takes no writes until it is reopened: {reason}", reason=reason)


class OutcomeUnknown(Unavailable):
    """The flush of this write failed: it may or may not have been kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the write may or may not have been kept: {reason}", reason=reason)


class PositionNotReached(Unavailable):
    """The library has not come to the position that was asked for."""

    def __init__(self, wanted: int, position: int) -> None:
        message = f"the library is at position {position}, not yet at {wanted}"
        super().__init__(message, wanted=wanted, position=position)


class StorageFull(PergamumError):
    """No space is left; nothing of the write was kept."""

    def __init__(self) -> None:
        super().__init__("no space is left on the data folder's disk; nothing of the write was kept")


class ProviderFailed(PergamumError):
    """The provider of a model refused, or cannot be reached."""

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider}: {reason}", provider=provider, reason=reason)


class EmbeddingFailed(ProviderFailed):
    """The provider of embeddings refused, or cannot be reached."""


class RerankFailed(ProviderFailed):
    """The provider of relevance refused, or cannot be reached."""


class Damaged(PergamumError):
    """Stored bytes do not match their checksum, or a file is missing or unreadable."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}", what=what, reason=reason)


class NewerFormat(Damaged):
    """The file was written by a newer release of Pergamum."""

    def __init__(self, what: str, found: int, supported: int) -> None:
        super().__init__(what, f"format {found} is newer than {supported}, the newest this release reads")


class KeywordsDamaged(Damaged):
    """The keyword index is damaged; the next opening of the library makes it again from the rows."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}, the keyword index", reason)


class Cancelled(PergamumError):
    """Long work was given up because nobody wants its result any more."""

    def __init__(self) -> None:
        super().__init__("the operation was cancelled")


class CannotStart(PergamumError):
    """The server refuses to start."""


class DataFolderInUse(CannotStart):
    """Another process has the data folder open."""

    def __init__(self, folder: str, holder: str) -> None:
        super().__init__(f"{folder} is in use by {holder}; one process at a time may open it")


class UnsafeSqlite(CannotStart):
    """This SQLite can corrupt a write-ahead log."""

    def __init__(self, found: str, needed: str) -> None:
        super().__init__(f"SQLite {found} has the WAL-reset corruption bug; {needed} or later is needed")
