"""Routes of a library's index."""

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import operation_out, respond
from pergamum.api.bodies import JsonBody, parsed
from pergamum.api.contract import answers
from pergamum.api.dependencies import IndexDep
from pergamum.api.drafts import index_spec
from pergamum.api.index_answers import index_out, preflight_out
from pergamum.api.paths import LibraryReference
from pergamum.errors import LibraryNotFound
from pergamum.wire.index import IndexIn, IndexOut, PreflightOut
from pergamum.wire.operations import OperationOut

router = APIRouter(prefix="/v1/libraries/{library}/index", tags=["index"])


@router.post(
    "",
    **answers(OperationOut, PreflightOut, status=202, also=200, takes=IndexIn, refuses=[LibraryNotFound], writes=True),
)
def choose_index(library: LibraryReference, raw: JsonBody, index: IndexDep) -> Response:
    """Ask for another index; the operation in the answer builds it. With `preflight`, only predict what it takes."""
    body = parsed(IndexIn, raw)
    if body.preflight:
        return respond(preflight_out(index.predict(library, index_spec(body))))
    operation, position = index.choose(library, index_spec(body))
    location = f"/v1/operations/{operation.id}"
    return respond(operation_out(operation), 202, position=position, location=location)


@router.get("", **answers(IndexOut, refuses=[LibraryNotFound]))
def get_index(library: LibraryReference, index: IndexDep) -> Response:
    """Return the index that was asked for, the kind that answers searches, and what it takes."""
    return respond(index_out(index.report(library)))
