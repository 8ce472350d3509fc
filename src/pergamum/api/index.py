"""Routes of a library's index."""

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import index_out, operation_out, respond
from pergamum.api.bodies import JsonBody, parsed
from pergamum.api.contract import answers
from pergamum.api.dependencies import IndexDep
from pergamum.api.drafts import index_spec
from pergamum.api.paths import LibraryReference
from pergamum.errors import LibraryNotFound
from pergamum.wire.index import IndexOut
from pergamum.wire.libraries import IndexSpecIn
from pergamum.wire.operations import OperationOut

router = APIRouter(prefix="/v1/libraries/{library}/index", tags=["index"])


@router.post("", **answers(OperationOut, status=202, takes=IndexSpecIn, refuses=[LibraryNotFound], writes=True))
def choose_index(library: LibraryReference, raw: JsonBody, index: IndexDep) -> Response:
    """Ask for another index; the operation in the answer builds it."""
    operation, position = index.choose(library, index_spec(parsed(IndexSpecIn, raw)))
    location = f"/v1/operations/{operation.id}"
    return respond(operation_out(operation), 202, position=position, location=location)


@router.get("", **answers(IndexOut, refuses=[LibraryNotFound]))
def get_index(library: LibraryReference, index: IndexDep) -> Response:
    """Return the index that was asked for, the kind that answers searches, and what it takes."""
    return respond(index_out(index.status(library)))
