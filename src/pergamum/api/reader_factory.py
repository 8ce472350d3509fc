"""Puts together what a process answers that only reads: searches. Everything else it carries to the writer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from fastapi import FastAPI

from pergamum.api import search
from pergamum.api.app_factory import Lifespan, answering_searches, surround
from pergamum.api.figures import Figures
from pergamum.api.forwarding import Carrier, Forwarding
from pergamum.api.limits import Limits
from pergamum.api.positions import Positions
from pergamum.services.search import SearchService


@dataclass(frozen=True, slots=True)
class ReaderServices:
    """What the routes of searches ask for."""

    search: SearchService
    positions: Positions


def create_reader_api(
    services: ReaderServices,
    limits: Limits,
    figures: Figures,
    link: Carrier,
    *,
    opened: Callable[[UUID], None],
    close: Callable[[], None],
) -> FastAPI:
    """Return the API of a process that only reads.

    `opened` is told of a library that the writer has answered for, `close` called when the last answer has gone out.
    """
    app = FastAPI(
        openapi_url=None,
        lifespan=_lifespan(services.search, limits, link, close),
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    app.include_router(search.router)
    surround(app, limits, services.positions, figures)
    app.add_middleware(Forwarding, link=link, opened=opened)
    return app


def _lifespan(service: SearchService, limits: Limits, link: Carrier, close: Callable[[], None]) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            with answering_searches(app, service, limits):
                yield
        finally:
            await link.close()
            close()

    return lifespan
