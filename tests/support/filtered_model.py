"""Writes of every sort that filters depend on, each with what plain Python says it does, and filters over the result.

Nothing is shared with the server but its commands: a state is two dictionaries, a filter is its JSON and a lambda.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from pergamum.domain.chunk import ChunkChanges, NewChunk
from pergamum.domain.commands import (
    Command,
    DeleteChunk,
    DeleteDocument,
    DeleteWhere,
    NewDocument,
    PatchChunk,
    PatchDocument,
    PutDocuments,
    UpdateLibrary,
    UpdateSchema,
    UpdateWhere,
    WriteMode,
)
from pergamum.domain.document import Document, DocumentChanges
from pergamum.domain.field_changes import FieldChanges
from pergamum.domain.fields import Level
from pergamum.domain.filter_reading import read_filter
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.schema import MetadataSchema, SchemaMode
from pergamum.domain.schema_changes import LevelChanges, SchemaChanges
from pergamum.domain.schema_json import declared_schema
from tests.support.library import NOW, vector

Record: TypeAlias = dict[str, Any]
"""A JSON object."""

DOCUMENTS: Final = 16
COLOURS: Final = ("red", "green", "blue")
KINDS: Final = ("note", "table", "figure")
WORDS: Final = ("alpha", "beta", "gamma", "delta")
INTEGER: Final[Record] = {"type": "integer"}
STRING: Final[Record] = {"type": "string"}
SCHEMA: Final[MetadataSchema] = declared_schema(
    SchemaMode.STRICT, {"year": INTEGER, "colour": STRING}, {"kind": STRING, "weight": INTEGER}
)
INDEXES: Final = (IndexKind.HNSW, IndexKind.BRUTE_FORCE, IndexKind.LSH)


@dataclass(frozen=True)
class Doc:
    title: str
    meta: Record


@dataclass(frozen=True)
class Piece:
    """A chunk."""

    owner: str
    text: str
    vector: tuple[float, ...]
    meta: Record


@dataclass(frozen=True)
class State:
    """Documents and chunks by id; `names` are those that fields of documents have now."""

    documents: Mapping[str, Doc] = field(default_factory=dict)
    chunks: Mapping[str, Piece] = field(default_factory=dict)
    names: frozenset[str] = frozenset({"year", "colour"})

    def without(self, chunks: Callable[[str, Piece], bool]) -> "State":
        return replace(self, chunks={id: piece for id, piece in self.chunks.items() if not chunks(id, piece)})

    def described(self, change: Callable[[Record], Record]) -> "State":
        """The metadata of every document changed."""
        return replace(self, documents={id: replace(doc, meta=change(doc.meta)) for id, doc in self.documents.items()})


Holds: TypeAlias = Callable[[Doc, Piece | None, str], bool]
"""Of a document and one of its chunks, None for the document alone, and the id of the document."""


@dataclass(frozen=True)
class Named:
    """A filter: its JSON, what it means, and the fields that may be unknown."""

    json: Record
    holds: Holds
    needs: frozenset[str] = frozenset()

    def selected(self, state: State, level: Level) -> list[str]:
        if level is Level.DOCUMENT:
            return [id for id, doc in state.documents.items() if self.holds(doc, None, id)]
        owners = state.documents
        return [id for id, one in state.chunks.items() if self.holds(owners[one.owner], one, one.owner)]


@dataclass(frozen=True)
class Write:
    command: Command
    applied: Callable[[State], State]


def any_filter(chance: random.Random, level: Level) -> Named:
    """Return a filter over documents or over chunks."""
    makers = [_year, _spare, _colour, _title, _these, _either]
    if level is Level.CHUNK:
        makers += [_kind, _kind_and_colour, _text, _weight, _no_kind]
    return chance.choice(makers)(chance)


def _year(chance: random.Random) -> Named:
    low, name = chance.randint(2000, 2009), chance.choice(("year", "anno"))
    json = {"field": name, "op": "between", "value": [low, low + 3]}
    return Named(json, lambda doc, _piece, _id: low <= doc.meta.get(name, 0) <= low + 3, frozenset({name}))


def _spare(chance: random.Random) -> Named:
    least = chance.randint(0, 9)
    json = {"field": "document.spare", "op": "gte", "value": least}
    return Named(json, lambda doc, _piece, _id: doc.meta.get("spare", -1) >= least, frozenset({"spare"}))


def _colour(chance: random.Random) -> Named:
    colour = chance.choice(COLOURS)
    return Named({"field": "colour", "op": "ne", "value": colour}, lambda doc, _p, _id: doc.meta["colour"] != colour)


def _title(chance: random.Random) -> Named:
    word = chance.choice(WORDS)
    return Named({"field": "title", "op": "matches", "value": word}, lambda doc, _piece, _id: word in doc.title.split())


def _these(chance: random.Random) -> Named:
    ids = {f"d{chance.randrange(DOCUMENTS)}" for _ in range(4)}
    return Named({"field": "document.id", "op": "in", "value": sorted(ids)}, lambda _doc, _piece, owner: owner in ids)


def _either(chance: random.Random) -> Named:
    one, other = _title(chance), _these(chance)
    return Named(
        {"or": [one.json, {"not": other.json}]},
        lambda doc, piece, owner: one.holds(doc, piece, owner) or not other.holds(doc, piece, owner),
    )


def _kind(chance: random.Random) -> Named:
    kind = chance.choice(KINDS)
    return Named({"field": "kind", "op": "eq", "value": kind}, lambda _doc, piece, _id: _meta(piece, "kind") == kind)


def _no_kind(chance: random.Random) -> Named:
    return Named({"field": "kind", "op": "is_null"}, lambda _doc, piece, _id: _meta(piece, "kind") is None)


def _weight(chance: random.Random) -> Named:
    least = chance.randint(0, 9)
    json = {"field": "weight", "op": "gte", "value": least}
    return Named(json, lambda _doc, piece, _id: (_meta(piece, "weight") or 0) >= least)


def _kind_and_colour(chance: random.Random) -> Named:
    one, other = _kind(chance), _colour(chance)
    return Named(
        {"and": [one.json, other.json]},
        lambda doc, piece, owner: one.holds(doc, piece, owner) and other.holds(doc, piece, owner),
    )


def _text(chance: random.Random) -> Named:
    word = chance.choice(WORDS)
    json = {"field": "text", "op": "matches", "value": word}
    return Named(json, lambda _doc, piece, _id: piece is not None and word in piece.text.split())


def _meta(piece: Piece | None, name: str) -> Any:  # noqa: ANN401  # a value of metadata
    assert piece is not None, "documents are not asked for fields of chunks"
    return piece.meta.get(name)


# Writes ------------------------------------------------------------------------------------------------------------


def any_write(chance: random.Random, number: int, year: str) -> Write:
    """Return a write; `year` is what the field of that name is called now, which may be out of date soon."""
    puts: list[Callable[[], Write]] = [lambda: _put(chance, number, year)] * 10
    others: list[Callable[[], Write]] = [
        lambda: _retitle(chance, number),
        lambda: _recolour(chance),
        lambda: _patch_chunk(chance),
        lambda: _rewrite_chunk(chance, number),
        lambda: _delete(chance),
        lambda: _delete_chunk(chance),
        lambda: _reindex(chance),
        lambda: delete_where(chance),
        lambda: update_where(chance),
        lambda: _retitle_where(chance, number),
    ]
    return chance.choice(puts + others)()


def _document(chance: random.Random) -> str:
    return f"d{chance.randrange(DOCUMENTS)}"


def _put(chance: random.Random, number: int, year: str) -> Write:
    id = _document(chance)
    doc = Doc(_prose(chance, number), {year: chance.randint(2000, 2012), "colour": chance.choice(COLOURS)})
    pieces = {f"{id}/{at}": _piece(chance, id, number) for at in range(chance.randint(0, 4))}
    chunks = tuple(
        NewChunk(id=key, document_id=id, text=one.text, embedding=vector(*one.vector), metadata=dict(one.meta))
        for key, one in pieces.items()
    )
    document = Document(id=id, title=doc.title, metadata=dict(doc.meta), created_at=NOW, updated_at=NOW)

    def applied(state: State) -> State:
        kept = state.without(lambda _key, piece: piece.owner == id)
        return replace(kept, documents={**state.documents, id: doc}, chunks={**kept.chunks, **pieces})

    return Write(PutDocuments((NewDocument(document, chunks),), WriteMode.UPSERT, NOW), applied)


def _prose(chance: random.Random, number: int) -> str:
    return f"{chance.choice(WORDS)} {chance.choice(WORDS)} n{number}"


def _piece(chance: random.Random, owner: str, number: int) -> Piece:
    # Few distinct vectors: ties are common, and a chunk written again often keeps its slot.
    meta: Record = {"weight": chance.randint(0, 12)}
    if chance.random() < 0.7:
        meta["kind"] = chance.choice(KINDS)
    return Piece(owner, _prose(chance, number), tuple(float(chance.randint(1, 3)) for _ in range(4)), meta)


def _retitle(chance: random.Random, number: int) -> Write:
    id, title = _document(chance), _prose(chance, number)
    return _patched(id, {"title": title}, lambda doc: replace(doc, title=title))


def _recolour(chance: random.Random) -> Write:
    id, colour = _document(chance), chance.choice(COLOURS)
    changes: DocumentChanges = {"metadata": {"colour": colour}}
    return _patched(id, changes, lambda doc: replace(doc, meta={**doc.meta, "colour": colour}))


def _patched(id: str, changes: DocumentChanges, change: Callable[[Doc], Doc]) -> Write:
    return Write(
        PatchDocument(id, changes, None, NOW),
        lambda state: replace(state, documents={**state.documents, id: change(state.documents[id])}),
    )


def _patch_chunk(chance: random.Random) -> Write:
    kind = chance.choice((None, *KINDS))
    return _repieced(chance, {"metadata": {"kind": kind}}, lambda one: replace(one, meta={**one.meta, "kind": kind}))


def _rewrite_chunk(chance: random.Random, number: int) -> Write:
    """A new text, and sometimes a new vector and so a new slot."""
    text, numbers = _prose(chance, number), tuple(float(chance.randint(1, 3)) for _ in range(4))
    if chance.random() < 0.5:
        return _repieced(chance, {"text": text}, lambda one: replace(one, text=text))
    changes: ChunkChanges = {"text": text, "embedding": vector(*numbers)}
    return _repieced(chance, changes, lambda one: replace(one, text=text, vector=numbers))


def _repieced(chance: random.Random, changes: ChunkChanges, change: Callable[[Piece], Piece]) -> Write:
    id = f"{_document(chance)}/{chance.randrange(3)}"
    return Write(
        PatchChunk(id, changes, NOW),
        lambda state: replace(state, chunks={**state.chunks, id: change(state.chunks[id])}),
    )


def _delete(chance: random.Random) -> Write:
    id = _document(chance)
    return Write(DeleteDocument(id, NOW), lambda state: _without_documents(state, {id}))


def _delete_chunk(chance: random.Random) -> Write:
    id = f"{_document(chance)}/{chance.randrange(3)}"
    return Write(DeleteChunk(id, NOW), lambda state: state.without(lambda key, _piece: key == id))


def _without_documents(state: State, ids: set[str]) -> State:
    kept = state.without(lambda _key, piece: piece.owner in ids)
    return replace(kept, documents={id: doc for id, doc in state.documents.items() if id not in ids})


def _reindex(chance: random.Random) -> Write:
    return Write(UpdateLibrary({"index": IndexSpec(chance.choice(INDEXES))}, NOW), lambda state: state)


def delete_where(chance: random.Random) -> Write:
    """Delete few of the documents, or of the chunks."""
    if chance.random() < 0.5:
        ids = _these(chance)
        return Write(
            DeleteWhere(Level.DOCUMENT, read_filter(ids.json), NOW),
            lambda state: _without_documents(state, set(ids.selected(state, Level.DOCUMENT))),
        )
    where = _kind_and_colour(chance)

    def applied(state: State) -> State:
        gone = set(where.selected(state, Level.CHUNK))
        return state.without(lambda key, _piece: key in gone)

    return Write(DeleteWhere(Level.CHUNK, read_filter(where.json), NOW), applied)


def update_where(chance: random.Random) -> Write:
    """Give chunks another kind, by what their text says."""
    where, kind = _text(chance), chance.choice(KINDS)

    def applied(state: State) -> State:
        changed = set(where.selected(state, Level.CHUNK))
        chunks = {
            id: replace(one, meta={**one.meta, "kind": kind}) if id in changed else one
            for id, one in state.chunks.items()
        }
        return replace(state, chunks=chunks)

    return Write(UpdateWhere(Level.CHUNK, read_filter(where.json), FieldChanges(set={"kind": kind}), NOW), applied)


def _retitle_where(chance: random.Random, number: int) -> Write:
    title = _prose(chance, number)
    return _updated_documents(_these(chance), {"title": title}, lambda doc: replace(doc, title=title))


def _updated_documents(where: Named, changes: Record, change: Callable[[Doc], Doc]) -> Write:
    def applied(state: State) -> State:
        changed = set(where.selected(state, Level.DOCUMENT))
        documents = {id: change(doc) if id in changed else doc for id, doc in state.documents.items()}
        return replace(state, documents=documents)

    return Write(UpdateWhere(Level.DOCUMENT, read_filter(where.json), FieldChanges(set=changes), NOW), applied)


# Changes to the schema ---------------------------------------------------------------------------------------------


def schema_writes(chance: random.Random) -> list[Write]:
    """Rename a field and back; add one, fill it, widen it, drop it: what it held must never be seen again."""
    spare = chance.randint(1, 9)
    fill = _updated_documents(
        _colour(chance), {"metadata.spare": spare}, lambda doc: replace(doc, meta={**doc.meta, "spare": spare})
    )
    return [
        _schema(LevelChanges(add={"spare": INTEGER}), lambda state: replace(state, names=state.names | {"spare"})),
        fill,
        _renamed("year", "anno"),
        _schema(LevelChanges(change={"spare": {"type": "float"}}), lambda state: state),
        _renamed("anno", "year"),
        _schema(LevelChanges(drop=("spare",)), _spare_dropped),
    ]


def _schema(changes: LevelChanges, applied: Callable[[State], State]) -> Write:
    return Write(UpdateSchema(SchemaChanges(documents=changes), NOW), applied)


def _renamed(old: str, new: str) -> Write:
    def applied(state: State) -> State:
        named = replace(state, names=state.names - {old} | {new})
        return named.described(lambda meta: {(new if name == old else name): value for name, value in meta.items()})

    return _schema(LevelChanges(rename={old: new}), applied)


def _spare_dropped(state: State) -> State:
    named = replace(state, names=state.names - {"spare"})
    return named.described(lambda meta: {name: value for name, value in meta.items() if name != "spare"})
