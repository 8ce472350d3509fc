"""The control of rest_search.py: takes and returns the same bodies and does nothing, in a bare FastAPI app.

python -m benchmarks.control PORT ANSWER [WORKERS]     ANSWER is a file; what it holds is the answer to every search

With workers that many more processes accept from the same socket, in the same way as those of `pergamum serve` do.
"""

import socket
import subprocess
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from pergamum.api.middleware import Gate
from pergamum.cli.accepting import Shares
from pergamum.cli.http_server import HttpServer
from pergamum.lifeline import end_with
from pergamum.wire.search import SearchOut

BACKLOG = 2048
DRAIN_SECONDS = 5


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


def alone(port: int, answer: Path) -> None:
    """Serve in this process."""
    app = build(answer.read_bytes())
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_config=None)


def together(port: int, answer: Path, workers: int) -> None:
    """Serve in this process and in so many more."""
    shares = Shares.among(workers + 1)
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as listener:
        shared = listener.fileno(), shares.descriptor
        command = [sys.executable, "-m", "benchmarks.control", "beside", *map(str, shared), str(answer)]
        others = [
            subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, pass_fds=shared)
            for number in range(1, workers + 1)
        ]
        serve(answer, listener, shares)
    for other in others:
        other.terminate()
        other.wait()


def serve(answer: Path, listener: socket.socket, shares: Shares) -> None:
    """Serve beside other processes, until SIGTERM."""
    app = build(answer.read_bytes())
    app.state.gate = Gate()
    HttpServer(app, DRAIN_SECONDS, lambda: None, shares).run(sockets=[listener])


def beside(listener: str, shares: str, answer: str, number: str) -> None:
    """Be one of the other processes; end with the first one."""
    end_with(sys.stdin.fileno())
    serve(Path(answer), socket.socket(fileno=int(listener)), Shares(int(shares), int(number)))


if __name__ == "__main__":
    if sys.argv[1] == "beside":
        beside(*sys.argv[2:])
    elif len(sys.argv) > 3 and int(sys.argv[3]):
        together(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    else:
        alone(int(sys.argv[1]), Path(sys.argv[2]))
