"""Routes for operators: alive, ready, figures."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from pergamum.api.answers import made, respond
from pergamum.api.contract import answers
from pergamum.api.dependencies import SystemDep
from pergamum.api.observability import Metrics
from pergamum.wire.system import AliveOut, ReadyOut

router = APIRouter(tags=["system"])


@router.get("/healthz", **answers(AliveOut))
async def healthz() -> Response:
    """Say that the process answers."""
    return respond(made(AliveOut, status="alive"))


@router.get("/readyz", **answers(ReadyOut))
def readyz(system: SystemDep) -> Response:
    """Say that requests are taken, and what is not as it should be; 503 once the server is stopping."""
    health = system.health()
    impaired = health.read_only or health.damaged_chunks or health.unlisted
    return respond(
        made(
            ReadyOut,
            status="impaired" if impaired else "ready",
            libraries=health.libraries,
            open=health.open,
            read_only=health.read_only,
            damaged_chunks=health.damaged_chunks,
            unlisted=list(health.unlisted),
        )
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return figures in Prometheus' text format."""
    found: Metrics = request.app.state.metrics
    return Response(found.page(), media_type=CONTENT_TYPE_LATEST)
