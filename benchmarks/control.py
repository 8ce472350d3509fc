"""The control of rest_search.py: takes and returns the same bodies and does nothing, in a bare FastAPI app.

python -m benchmarks.control PORT ANSWER      ANSWER is a file; what it holds is the answer to every search
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from pergamum.wire.search import SearchOut


class Asked(BaseModel):
    """The body of a search, as one writes it without knowing more of vectors."""

    vector: list[float] | str
    k: int


def build(answer: bytes) -> FastAPI:
    """Return the app."""
    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/libraries/{library}/search")
    async def search(library: str, request: Request) -> Response:  # noqa: ARG001  # as the real route takes it
        await request.body()
        return Response(answer, media_type="application/json")

    found = SearchOut.model_validate_json(answer)

    @app.post("/v1/libraries/{library}/models")
    async def models(library: str, body: Asked) -> SearchOut:  # noqa: ARG001  # as the real route takes them
        return found

    return app


if __name__ == "__main__":
    uvicorn.run(
        build(Path(sys.argv[2]).read_bytes()),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
    )
