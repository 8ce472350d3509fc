"""Routes of operations."""

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path
from starlette.responses import Response

from pergamum.api.answers import operation_out, respond
from pergamum.api.contract import answers
from pergamum.api.dependencies import OperationsDep
from pergamum.api.writes import WriteDep
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
def cancel_operation(operation: OperationId, write: WriteDep, operations: OperationsDep) -> Response:
    """Give up long work; its library asks again for what it asked for before."""
    return write.answered(
        None,
        lambda terms: operations.cancel(operation, terms),
        lambda cancelled: respond(operation_out(cancelled.operation), 202, token=cancelled.token),
    )
