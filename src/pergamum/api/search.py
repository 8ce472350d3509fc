"""Routes of searches: the one place where the way through threads and models would cost more than the work.

The route is `async` and reads the raw body. A search by vector that is predicted to be short is made in the event
loop, together with those that came in the same turn of it; any other, and any that has to wait for files or an
embedding, goes to the search threads.
"""

from typing import Final

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response
from starlette.routing import Route

from pergamum.api.bodies import JSON, parsed, read_json
from pergamum.api.contract import answers
from pergamum.api.dependencies import limits, services
from pergamum.api.paths import LibraryReference, decoded
from pergamum.api.questions import queries, query
from pergamum.api.search_answers import Body, search_out
from pergamum.api.search_threads import SearchThreads
from pergamum.domain.search_options import PLAIN
from pergamum.errors import (
    ChunkNotFound,
    CursorExpired,
    DocumentNotFound,
    LibraryNotFound,
    ProviderFailed,
    TooLarge,
)
from pergamum.services.drafts import Query
from pergamum.wire.search import SearchBatchIn, SearchBatchOut, SearchIn, SearchOut

router = APIRouter(prefix="/v1/libraries/{library}", tags=["search"])
REFUSES = (LibraryNotFound, ChunkNotFound, DocumentNotFound, CursorExpired, ProviderFailed)
INLINE_BODY = 256 << 10
"""Bodies above this many bytes are parsed in a thread."""
INLINE_FILTERED = 16 << 10
"""The same where a filter has to be checked, value by value."""


@router.post("/search", **answers(SearchOut, takes=SearchIn, refuses=REFUSES))
async def search(library: LibraryReference, request: Request) -> Response:
    """Return the chunks nearest to a vector, a text or stored examples, or those that share its words, best first."""
    raw, service, limit = await read_json(request), services(request).search, limits(request)
    threads: SearchThreads = request.app.state.search_threads

    def asked() -> Query:
        return query(parsed(SearchIn, raw), limit.max_filter_depth)

    if len(raw) > (INLINE_FILTERED if b'"filter"' in raw else INLINE_BODY):
        return await threads.run(lambda: _json(search_out(service.search(library, asked()))))
    wanted = asked()
    if wanted.vector is None or wanted.options is not PLAIN:
        return await threads.run(lambda: _json(search_out(service.search(library, wanted))))
    return Response(await threads.search(library, wanted), media_type=JSON)


@router.post("/search:batch", **answers(SearchBatchOut, takes=SearchBatchIn, refuses=REFUSES))
async def search_batch(library: LibraryReference, request: Request) -> Response:
    """Answer many searches in one request, in order."""
    raw, service, limit = await read_json(request), services(request).search, limits(request)
    threads: SearchThreads = request.app.state.search_threads

    def work() -> Response:
        body = parsed(SearchBatchIn, raw)
        if len(body.queries) > limit.max_batch_queries:
            raise TooLarge("the batch", limit.max_batch_queries)
        found = service.search_all(library, queries(body.queries, limit.max_filter_depth))
        return _json({"answers": [search_out(answer) for answer in found]})

    return await threads.run(work)


async def _short_cut(request: Request) -> Response:
    request.scope["route"] = SHORT_CUT
    return await search(decoded(request.path_params["library"]), request)


SHORT_CUT: Final = Route(f"{router.prefix}/search", _short_cut, methods=["POST"], include_in_schema=False)
"""Does what `search` does without the steps of FastAPI between. Stands before the others: routes are tried in order."""


def _json(body: Body) -> Response:
    return Response(to_json(body), media_type=JSON)
