"""The requests about what a filter selects: lists in order, counts, facets, deletions and updates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel

from pergamum.client.call import Call, Reply, json_body, known, path
from pergamum.client.drafts import FieldChanges
from pergamum.client.filters import FilterLike, as_json
from pergamum.client.page import Page
from pergamum.client.results import Facets
from pergamum.wire.chunks import ChunkList, ChunkOut
from pergamum.wire.documents import DocumentList, DocumentOut
from pergamum.wire.selection import CountOut, DeleteWhereOut, UpdateWhereOut

Noun: TypeAlias = Literal["documents", "chunks"]
ModelT = TypeVar("ModelT", bound=BaseModel)


def query_documents(library: str, asked: Mapping[str, Any], cursor: str | None) -> Call[Page[DocumentOut]]:
    """Read a page of the documents that a filter selects."""

    def read(reply: Reply) -> Page[DocumentOut]:
        found = DocumentList.model_validate_json(reply.body)
        return Page(found.items, found.next_cursor)

    return Call("POST", _where(library, "documents", "query"), read, body=_asked(asked, cursor), repeatable=True)


def query_chunks(library: str, asked: Mapping[str, Any], cursor: str | None) -> Call[Page[ChunkOut]]:
    """Read a page of the chunks that a filter selects."""

    def read(reply: Reply) -> Page[ChunkOut]:
        found = ChunkList.model_validate_json(reply.body)
        return Page(found.items, found.next_cursor)

    return Call("POST", _where(library, "chunks", "query"), read, body=_asked(asked, cursor), repeatable=True)


def count(library: str, noun: Noun, filter: FilterLike | None) -> Call[CountOut]:
    """Count what a filter selects."""
    return _ask(CountOut, _where(library, noun, "count"), {"filter": filter})


def facets(library: str, noun: Noun, wanted: Sequence[Mapping[str, Any]], filter: FilterLike | None) -> Call[Facets]:
    """Ask how the values of fields are spread over what a filter selects."""
    return _ask(Facets, _where(library, noun, "facets"), {"facets": list(wanted), "filter": filter})


def delete_where(library: str, noun: Noun, filter: FilterLike, *, dry_run: bool) -> Call[DeleteWhereOut]:
    """Delete what a filter selects, in one write."""
    body = _body({"filter": filter, "dry_run": dry_run})
    return Call(
        "POST", _where(library, noun, "delete"), _read(DeleteWhereOut), body=body, repeatable=dry_run, keyed=not dry_run
    )


def update_where(
    library: str, noun: Noun, filter: FilterLike, changes: FieldChanges, *, dry_run: bool
) -> Call[UpdateWhereOut]:
    """Change what a filter selects, in one write."""
    body = _body({"filter": filter, "dry_run": dry_run, **changes})
    return Call(
        "POST", _where(library, noun, "update"), _read(UpdateWhereOut), body=body, repeatable=dry_run, keyed=not dry_run
    )


def _ask(model: type[ModelT], where: str, fields: Mapping[str, Any]) -> Call[ModelT]:
    return Call("POST", where, _read(model), body=_body(fields), repeatable=True)


def _asked(asked: Mapping[str, Any], cursor: str | None) -> bytes:
    return _body({**asked, "cursor": cursor})


def _body(fields: Mapping[str, Any]) -> bytes:
    given = known(fields)
    if "filter" in given:
        given["filter"] = as_json(given["filter"])
    return json_body(given)


def _where(library: str, noun: Noun, verb: str) -> str:
    return f"{path('libraries', library, noun)}:{verb}"


def _read(model: type[ModelT]) -> Callable[[Reply], ModelT]:
    return lambda reply: model.model_validate_json(reply.body)
