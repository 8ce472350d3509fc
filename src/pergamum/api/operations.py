"""Routes of operations."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path
from starlette.responses import Response

from pergamum.api.answers import operation_out, respond
from pergamum.api.contract import answers
from pergamum.api.dependencies import OperationsDep
from pergamum.errors import OperationEnded, OperationNotFound
from pergamum.wire.operations import OperationOut

router = APIRouter(prefix="/v1/operations", tags=["operations"])


OperationId: TypeAlias = Annotated[str, Path(max_length=128, description="The operation's id.")]


@router.get("/{operation}", **answers(OperationOut, refuses=[OperationNotFound]))
def get_operation(operation: OperationId, operations: OperationsDep) -> Response:
    """Return how far long work is."""
    return respond(operation_out(operations.get(operation)))


@router.delete(
    "/{operation}",
    **answers(OperationOut, status=202, refuses=[OperationNotFound, OperationEnded], writes=True),
)
def cancel_operation(operation: OperationId, operations: OperationsDep) -> Response:
    """Give up long work; its library asks again for what it asked for before."""
    cancelled, position = operations.cancel(operation)
    return respond(operation_out(cancelled), 202, position=position)
