"""What happens to every request: an id, figures, a line in the log, a refusal once the server stops. Pure ASGI."""

import re
import secrets
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pergamum.api.figures import RequestFigures
from pergamum.api.logs import REQUEST_ID
from pergamum.api.problems import internal_problem, problem
from pergamum.engine.elsewhere import Elsewhere
from pergamum.errors import ShuttingDown

ACCEPTED_ID: Final = re.compile(rb"[!-~]{1,128}")
NO_ROUTE: Final = "none"
CLIENT_LEFT: Final = 499
"""Noted where nothing was answered, because nobody was there any more."""
ANSWERED_WHILE_STOPPING: Final = frozenset({"/healthz", "/metrics"})

log = structlog.get_logger("pergamum.access")


class Gate:
    """Lets requests in until it is shut."""

    def __init__(self) -> None:
        self.shut = False

    def close(self) -> None:
        """Refuse every request from now on; those under way go on."""
        self.shut = True


class Draining:
    """Answers 503 once the gate is shut (ASGI)."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on."""
        if self._gate.shut and scope["type"] == "http" and scope["path"] not in ANSWERED_WHILE_STOPPING:
            await problem(ShuttingDown(), scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Observed:
    """Gives each request an id, counts it, logs it, and answers 500 where nobody else answered (ASGI).

    Not one that has to be answered `Elsewhere`: there it is counted and logged.
    """

    def __init__(self, app: ASGIApp, metrics: RequestFigures) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watching."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        REQUEST_ID.set(request_id.decode("ascii"))
        started, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Elsewhere:
            raise
        except Exception:  # whatever it is, the client gets an answer and the log the reason
            log.exception("request failed unexpectedly", method=scope["method"], path=scope["path"])
            if not status:
                await internal_problem(scope)(scope, receive, watched)
        except BaseException:
            self._note(scope, status or CLIENT_LEFT, time.perf_counter() - started)
            raise
        self._note(scope, status or CLIENT_LEFT, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        template = getattr(route, "path", NO_ROUTE)
        self._metrics.request(scope["method"], template, status, seconds)
        path = scope["raw_path"].decode("latin-1")
        log.info("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1e3, 2))


def _request_id(scope: Scope) -> bytes:
    """Return the id the client gave the request, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and ACCEPTED_ID.fullmatch(value):
            return bytes(value)
    return secrets.token_hex(16).encode("ascii")
