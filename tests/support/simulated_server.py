"""A server that keeps documents in a dictionary, and is as small, busy or full as a test likes."""

import json
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx

from pergamum.client import Library, Pergamum

Json: TypeAlias = Any
Refuse: TypeAlias = Callable[[list[str], httpx.Request], httpx.Response | None]


class Server:
    """Keeps documents in a dictionary. `refuse(ids, request)` may return another answer for a batch."""

    def __init__(self, refuse: Refuse | None = None) -> None:
        self._refuse = refuse or (lambda _ids, _request: None)
        self.stored: dict[str, Json] = {}
        self.batches: list[list[str]] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()

    def answer(self, request: httpx.Request) -> httpx.Response:
        documents = json.loads(request.content)["documents"]
        ids = [document["id"] for document in documents]
        with self.lock:
            self.batches.append(ids)
            self.keys.append(request.headers["idempotency-key"])
            refused = self._refuse(ids, request)
            if refused is not None:
                return refused
            self.stored |= {document["id"]: document for document in documents}
        counts = {"created": len(ids), "replaced": 0, "position": len(self.batches)}
        return httpx.Response(200, json={**counts, "items": []})


def library(server: Server) -> Library:
    http = httpx.Client(transport=httpx.MockTransport(server.answer), base_url="http://simulated")
    return Pergamum(http=http).library("books")


def problem(status: int, code: str, **facts: Json) -> httpx.Response:
    headers = {"retry-after": "0"} if status in {429, 503} else {}
    return httpx.Response(
        status, json={"type": f"/problems/{code}", "detail": code, "status": status, **facts}, headers=headers
    )


def documents(number: int) -> list[Json]:
    return [{"id": f"d{place}", "title": "x"} for place in range(number)]
