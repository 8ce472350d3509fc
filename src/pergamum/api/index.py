"""Routes of a library's index."""

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import operation_out, respond
from pergamum.api.bodies import parsed
from pergamum.api.contract import answers
from pergamum.api.dependencies import IndexDep
from pergamum.api.drafts import index_spec
from pergamum.api.index_answers import index_out, preflight_out
from pergamum.api.paths import LibraryReference
from pergamum.api.writes import BodyWriteDep
from pergamum.errors import LibraryNotFound
from pergamum.services.operations import OperationAt
from pergamum.wire.index import IndexIn, IndexOut, PreflightOut
from pergamum.wire.operations import OperationOut

router = APIRouter(prefix="/v1/libraries/{library}/index", tags=["index"])


@router.post(
    "",
    **answers(OperationOut, PreflightOut, status=202, also=200, takes=IndexIn, refuses=[LibraryNotFound], writes=True),
)
def choose_index(library: LibraryReference, write: BodyWriteDep, index: IndexDep) -> Response:
    """Ask for another index; the operation in the answer builds it. With `preflight`, only predict what it takes."""
    body = parsed(IndexIn, write.body)
    spec = index_spec(body)
    if body.preflight:
        return respond(preflight_out(index.predict(library, spec)))
    return write.answered(None, lambda terms: index.choose(library, spec, terms), _chosen)


@router.get("", **answers(IndexOut, refuses=[LibraryNotFound]))
def get_index(library: LibraryReference, index: IndexDep) -> Response:
    """Return the index that was asked for, the kind that answers searches, and what it takes."""
    return respond(index_out(index.report(library)))


def _chosen(chosen: OperationAt) -> Response:
    location = f"/v1/operations/{chosen.operation.id}"
    return respond(operation_out(chosen.operation), 202, token=chosen.token, location=location)
