"""The whole server inside the test's process: requests go through the real routes, services, engine and files."""

import base64
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx2
from starlette.testclient import TestClient

from pergamum.app import build
from pergamum.client.call import path
from pergamum.settings import Settings
from tests.support.model import Json


class Rest:
    """A server on `data_dir` that can be stopped and started again. Close it, or use it in a `with`."""

    def __init__(self, data_dir: Path, **settings: Json) -> None:
        self._settings = Settings(data_dir=data_dir, log_level="error", **settings)
        self._client = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.__exit__(None, None, None)

    def restart(self) -> None:
        """Stop the server as SIGTERM does and start it on the same folder."""
        self.close()
        self._client = self._started()

    def send(
        self, method: str, *segments: str, verb: str = "", json: Json = None, content: bytes | None = None, **query: str | int
    ) -> httpx2.Response:
        """Send a request to /v1/segment/.../segment:verb; `content` goes out as it is, as JSON unless NDJSON."""
        ndjson = verb == "import"
        headers = {"content-type": "application/x-ndjson" if ndjson else "application/json"} if content else None
        where = path(*segments) + (f":{verb}" if verb else "")
        return self._client.request(method, where, json=json, content=content, headers=headers, params=query)

    def get(self, *segments: str, **query: str | int) -> Json:
        """Read something that must exist; return its JSON."""
        response = self.send("GET", *segments, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def _started(self) -> TestClient:
        client = TestClient(build(self._settings), base_url="http://127.0.0.1")
        client.__enter__()
        return client


def base64_of(vector: Sequence[float]) -> str:
    """Return the vector as base64 of little-endian float32."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
