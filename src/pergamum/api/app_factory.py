"""Puts the routes together. What they call is made by `app.py` and handed in."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import TypeAlias

import anyio.to_thread
from fastapi import FastAPI

from pergamum.api import chunks, documents, imports, index, libraries, operations, schema, search, selection, system
from pergamum.api.contract import describe
from pergamum.api.dependencies import Services
from pergamum.api.figures import RequestFigures
from pergamum.api.limits import Limits
from pergamum.api.middleware import Draining, Gate, Observed
from pergamum.api.observability import Metrics
from pergamum.api.paths import RawPaths
from pergamum.api.positions import AtLeast, Positions
from pergamum.api.problems import install
from pergamum.api.search_threads import SearchThreads
from pergamum.services.search import SearchService

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]
WAITING_SEARCHES = 1_000
"""Long searches that may wait for a thread; more are answered 503."""


def create_api(
    services: Services,
    limits: Limits,
    metrics: Metrics,
    *,
    version: str,
    start: Callable[[], None] = lambda: None,
    close: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Return the REST API over the services. `start` is called before the first request is taken and must not take
    long, `close` when the server has answered its last one.

    The app's state holds `gate`: closing it makes every new request answered 503.
    """
    app = FastAPI(
        title="Pergamum",
        summary="A vector database: text in, nearest chunks out.",
        version=version,
        lifespan=_lifespan(services, limits, start, close),
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services, app.state.metrics = services, metrics
    metrics.watch(services.system)
    for noun in (libraries, schema, documents, chunks, selection, imports, search, index, operations, system):
        app.include_router(noun.router)
    describe(app)
    surround(app, limits, services.libraries, metrics)
    return app


def surround(app: FastAPI, limits: Limits, libraries: Positions, figures: RequestFigures) -> None:
    """Put around the routes, those of searches among them, what every process does with a request."""
    app.state.limits, app.state.gate = limits, Gate()
    app.router.routes.insert(0, search.SHORT_CUT)
    install(app)
    app.add_middleware(AtLeast, libraries=libraries, seconds=limits.min_position_seconds)
    app.add_middleware(Draining, gate=app.state.gate)
    app.add_middleware(RawPaths)
    app.add_middleware(Observed, metrics=figures)


@contextmanager
def answering_searches(app: FastAPI, service: SearchService, limits: Limits) -> Iterator[None]:
    """Threads for searches; at the end those under way are finished, and nothing new is let in."""
    short = partial(service.search_short, limits.inline_search_ms / 1e3)
    app.state.search_threads = SearchThreads(short, service.search_each, limits.search_threads, WAITING_SEARCHES)
    try:
        yield
    finally:
        app.state.gate.close()
        app.state.search_threads.close()


def _lifespan(services: Services, limits: Limits, start: Callable[[], None], close: Callable[[], None]) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = limits.request_threads
        start()
        try:
            with answering_searches(app, services.search, limits):
                yield
        finally:
            close()

    return lifespan
