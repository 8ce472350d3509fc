"""A local server that speaks Cohere's API v2 as far as Pergamum uses it, strict where the real one is.

It answers `/v2/embed` with vectors made from a hash of model, input type and text, and `/v2/rerank` with the share of
the question's words that a document has. What it should do instead is put into `script`, one entry a request; what it
was asked is in `received`. It listens on 127.0.0.1 only.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from tests.support.fake_embedder import hash_vector

WIDTHS = {
    "embed-v5.0-pro": {256, 512, 1024, 1536, 2048},
    "embed-v4.0": {256, 512, 1024, 1536},
    "embed-english-v3.0": {1024},
}
FIELDS = {"model", "input_type", "texts", "embedding_types", "output_dimension", "truncate"}
RERANK_FIELDS = {"model", "query", "documents", "top_n", "max_tokens_per_doc"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer instead: a status with headers and a body, or nothing: the line cut, or left open."""

    status: int = 200
    body: str = '{"message": "scripted"}'
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    authorization: str
    body: dict[str, object]
    path: str = "/v2/embed"

    @property
    def texts(self) -> list[str]:
        """The texts to embed, or the documents to judge."""
        texts = self.body["documents" if "documents" in self.body else "texts"]
        assert isinstance(texts, list)
        return texts


class FakeCohere(ThreadingHTTPServer):
    """The server. `key` is the only one it accepts."""

    daemon_threads = True

    def __init__(self, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = key
        self.script: deque[Reply] = deque()
        self.received: list[Received] = []
        self.over = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Received) -> Reply:
        """Return the next scripted reply, else what was asked for, else what the real API says to a wrong request."""
        self.received.append(request)
        if self.script:
            return self.script.popleft()
        if request.authorization != f"Bearer {self.key}":
            return Reply(401, json.dumps({"message": f"invalid api token: {request.authorization}"}))
        wrong, answer = (_wrong_rerank, _relevances) if request.path == "/v2/rerank" else (_wrong, _vectors)
        if message := wrong(request.body):
            return Reply(400, json.dumps({"message": message}))
        return Reply(body=json.dumps(answer(request)))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeCohere

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path not in {"/v2/embed", "/v2/rerank"}:
            self._send(Reply(404))
            return
        self._send(self.server.answer(Received(self.headers["Authorization"], body, self.path)))

    def _send(self, reply: Reply) -> None:
        if reply.silent:
            self.server.over.wait()
        if reply.cut or reply.silent:
            self.close_connection = True
            return
        content = reply.body.encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def fake_cohere(key: str) -> Iterator[FakeCohere]:
    """Run the server in a thread while the block lasts."""
    with FakeCohere(key) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def _wrong(body: dict[str, object]) -> str | None:
    widths = WIDTHS.get(str(body.get("model")))
    texts = body.get("texts")
    if widths is None:
        return "model not found"
    if unknown := body.keys() - FIELDS:
        return f"unknown fields {sorted(unknown)}"
    if body.get("input_type") not in {"search_document", "search_query"}:
        return "invalid input_type"
    if body.get("embedding_types") != ["float"]:
        return "only float is spoken here"
    if not isinstance(texts, list) or not 1 <= len(texts) <= 96:
        return "texts must be 1 to 96"
    if "output_dimension" in body and (len(widths) == 1 or body["output_dimension"] not in widths):
        return "invalid output_dimension"
    return None


def _vectors(request: Received) -> dict[str, object]:
    model, input_type = str(request.body["model"]), str(request.body["input_type"])
    asked = request.body.get("output_dimension")
    dimension = asked if isinstance(asked, int) else max(WIDTHS[model])
    vectors = [hash_vector(f"{model} {input_type} {text}", dimension).tolist() for text in request.texts]
    return {
        "id": "fake",
        "response_type": "embeddings_by_type",
        "embeddings": {"float": vectors},
        "texts": request.texts,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": len(vectors)}},
    }


def _wrong_rerank(body: dict[str, object]) -> str | None:
    query, documents = body.get("query"), body.get("documents")
    if not str(body.get("model")).startswith("rerank-"):
        return "model not found"
    if unknown := body.keys() - RERANK_FIELDS:
        return f"unknown fields {sorted(unknown)}"
    if not isinstance(query, str) or not query.strip():
        return "query must not be empty"
    if not isinstance(documents, list) or not 1 <= len(documents) <= 1000:
        return "documents must be 1 to 1000"
    if not all(isinstance(document, str) and document.strip() for document in documents):
        return "documents must not be empty"
    return None


def _relevances(request: Received) -> dict[str, object]:
    asked = set(str(request.body["query"]).lower().split())
    worth = [len(asked & set(text.lower().split())) / len(asked) for text in request.texts]
    order = sorted(range(len(worth)), key=lambda place: (-worth[place], place))
    return {
        "id": "fake",
        "results": [{"index": place, "relevance_score": worth[place]} for place in order],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }
