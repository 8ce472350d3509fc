"""Routes of operations."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from pergamum.api.answers import operation_out, respond
from pergamum.api.contract import answers
from pergamum.api.dependencies import OperationsDep
from pergamum.errors import OperationNotFound
from pergamum.wire.operations import OperationOut

router = APIRouter(prefix="/v1/operations", tags=["operations"])


@router.get("/{operation}", **answers(OperationOut, refuses=[OperationNotFound]))
def get_operation(
    operation: Annotated[str, Path(max_length=128, description="The operation's id.")], operations: OperationsDep
) -> Response:
    """Return how far long work is."""
    return respond(operation_out(operations.get(operation)))
