"""A process that only reads and the one that writes, both inside the test's process: all but sockets is real.

What the one carries to the other goes by a call. A library is opened for reading as soon as the writer has answered
for it, so that searches are answered by the reader from the first on.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from pergamum.api.figures import Figures
from pergamum.app import build, build_reader
from pergamum.engine.elsewhere import Elsewhere
from pergamum.engine.reader_catalog import ReaderCatalog
from pergamum.settings import Settings

OF_LIBRARY = re.compile(rb"/v1/libraries/([^/]+)/.+")


@dataclass(slots=True)
class Calls:
    """The way to the writer. `carried` are the paths of what went it."""

    writer: TestClient
    catalog: ReaderCatalog | None = None
    carried: list[str] = field(default_factory=list)

    async def carry(self, scope: Scope, receive: Receive, send: Send) -> int | None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        target = (scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")).decode()
        self.carried.append(target)
        answer = await asyncio.to_thread(
            lambda: self.writer.request(scope["method"], target, content=body, headers=dict(scope["headers"]))
        )
        if answer.status_code < 300:
            await asyncio.to_thread(self._open, scope["raw_path"])
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.multi_items()]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": sent})
        await send({"type": "http.response.body", "body": answer.content})
        return answer.status_code

    async def close(self) -> None:
        """Nothing is held."""

    def _open(self, path: bytes) -> None:
        found = OF_LIBRARY.fullmatch(path)
        if found is None or self.catalog is None:
            return
        try:
            library_id = self.catalog.resolve(unquote(found[1].decode()))
        except Elsewhere:
            return
        if not self.catalog.is_open(library_id):
            self.catalog._open(library_id)


@dataclass(frozen=True, slots=True)
class Beside:
    """A client of the process that only reads, what it has counted, and what it has carried to the other."""

    client: TestClient
    figures: Figures
    calls: Calls


@contextmanager
def reading_beside(data_dir: Path) -> Iterator[Beside]:
    """Both processes on a data folder."""
    settings = Settings.model_validate({"data_dir": data_dir, "log_level": "error"})
    figures = Figures()
    with TestClient(build(settings)) as writer:
        calls = Calls(writer)
        app = build_reader(settings, "reader", calls, figures)
        calls.catalog = app.state.services.search._catalog
        with TestClient(app) as client:
            yield Beside(client, figures, calls)
