"""Puts together what a process answers that only reads: searches. Everything else it carries to the writer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from fastapi import FastAPI

from pergamum.api import search
from pergamum.api.app_factory import WAITING_SEARCHES, Lifespan
from pergamum.api.figures import Figures
from pergamum.api.forwarding import Carrier, Forwarding
from pergamum.api.limits import Limits
from pergamum.api.middleware import Draining, Gate, Observed
from pergamum.api.paths import RawPaths
from pergamum.api.positions import AtLeast, Positions
from pergamum.api.problems import install
from pergamum.api.search_threads import SearchThreads
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
    app.state.services, app.state.limits, app.state.gate = services, limits, Gate()
    app.router.routes.insert(0, search.SHORT_CUT)
    app.include_router(search.router)
    install(app)
    app.add_middleware(AtLeast, libraries=services.positions, seconds=limits.min_position_seconds)
    app.add_middleware(Draining, gate=app.state.gate)
    app.add_middleware(RawPaths)
    app.add_middleware(Observed, metrics=figures)
    app.add_middleware(Forwarding, link=link, opened=opened)
    return app


def _lifespan(service: SearchService, limits: Limits, link: Carrier, close: Callable[[], None]) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        short = partial(service.search_short, limits.inline_search_ms / 1e3)
        app.state.search_threads = SearchThreads(short, service.search_each, limits.search_threads, WAITING_SEARCHES)
        try:
            yield
        finally:
            app.state.gate.close()
            app.state.search_threads.close()
            await link.close()
            close()

    return lifespan
