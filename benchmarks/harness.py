"""What the benchmarks share: a corpus, a real server in a process of its own, and how results are printed."""

import base64
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
Json: TypeAlias = Any

LIBRARY = "benchmark"
CENTRES = 500
SPREAD = 0.7
TEXT = 200
CHUNKS_A_DOCUMENT = 10
START_SECONDS = 120.0
STOP_SECONDS = 60.0
IDLE_SECONDS = 0.5
POLL_SECONDS = 0.2
SERVE = ("-m", "pergamum", "serve")
WORDS = ["alder", "birch", "cedar", "dune", "ember", "fern", "grove", "heath", "inlet", "juniper", "knoll", "larch"]


def corpus(count: int, dimension: int, seed: int = 0) -> Vectors:
    """Return unit vectors around random centres, float32 (count, dimension): real embeddings lie in clusters too."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CENTRES, dimension)).astype(np.float32)
    vectors = rng.standard_normal((count, dimension)).astype(np.float32)
    vectors *= np.float32(SPREAD)
    vectors += centres[rng.integers(0, CENTRES, count)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def texts(count: int, seed: int = 0) -> list[str]:
    """Return texts of some TEXT characters."""
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(WORDS), (count, TEXT // 6))
    return [" ".join(WORDS[word] for word in row)[:TEXT] for row in picked.tolist()]


def encoded(vector: Vectors) -> str:
    """Return the vector as it goes over the wire: base64 of little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def documents(
    vectors: Vectors | None, contents: Sequence[str], metadata: Sequence[Json] | None = None
) -> Iterator[Json]:
    """Yield documents of CHUNKS_A_DOCUMENT chunks; chunk number i is called c<i>. Without vectors the server embeds."""
    for first in range(0, len(contents), CHUNKS_A_DOCUMENT):
        numbers = range(first, min(first + CHUNKS_A_DOCUMENT, len(contents)))
        chunks: list[Json] = [{"id": f"c{number}", "text": contents[number]} for number in numbers]
        if vectors is not None:
            for chunk, number in zip(chunks, numbers, strict=True):
                chunk["embedding"] = encoded(vectors[number])
        if metadata is not None:
            for chunk, number in zip(chunks, numbers, strict=True):
                chunk["metadata"] = metadata[number]
        yield {"id": f"d{first // CHUNKS_A_DOCUMENT}", "chunks": chunks}


def lines(items: Iterator[Json]) -> bytes:
    """Return the items as NDJSON."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


class Server:
    """`pergamum serve` on a data folder, started and stopped as often as one likes."""

    def __init__(
        self, data_dir: Path, command: Sequence[str] = SERVE, port: int | None = None, workers: int = 0
    ) -> None:
        self._log, self._command = data_dir.with_suffix(".log"), [sys.executable, *command]
        self.port = port or free_port()
        settings = {
            "PERGAMUM_PORT": str(self.port),
            "PERGAMUM_DATA_DIR": str(data_dir),
            "PERGAMUM_LOG_LEVEL": "warning",
            "PERGAMUM_WORKERS": str(workers),
        }
        self._env = os.environ | settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server has been started"
        return self._process.pid

    def spawn(self) -> None:
        """Start the process and return at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # our own server
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def start(self) -> None:
        """Start the process and return when it answers."""
        self.spawn()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start; see {self._log}")
            time.sleep(0.02)

    def settle(self) -> None:
        """Return when the process has been idle for a while: it loads its kernels beside the first requests."""
        last, since = -1.0, time.monotonic()
        while time.monotonic() - since < IDLE_SECONDS:
            if self.cpu_seconds() != last:
                last, since = self.cpu_seconds(), time.monotonic()
            time.sleep(IDLE_SECONDS / 10)

    def stop(self) -> None:
        """Ask the process to end and wait for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_SECONDS)

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Json:
        """Send one request and return the JSON of the answer; end the benchmark when it is not a success."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(method, path, body, {"content-type": kind} if body is not None else {})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {raw[:500].decode()}")
        return json.loads(raw) if raw else None

    def create_library(self, name: str = LIBRARY, dimension: int | None = None, **settings: Json) -> None:
        """Make a library; without a dimension it embeds texts by the local model."""
        body = {"name": name, **settings} if dimension is None else {"name": name, "dimension": dimension, **settings}
        self.send("POST", "/v1/libraries", json.dumps(body).encode())

    def build_index(self, kind: str, name: str = LIBRARY) -> None:
        """Ask for another index; return once it answers searches."""
        operation = self.send("POST", f"/v1/libraries/{name}/index", json.dumps({"kind": kind}).encode())
        while operation["status"] in {"queued", "running"}:
            time.sleep(POLL_SECONDS)
            operation = self.send("GET", f"/v1/operations/{operation['id']}")
        if operation["status"] != "succeeded":
            raise SystemExit(f"the index was not built: {operation}")

    def import_documents(self, content: bytes, name: str = LIBRARY, on_error: str = "skip") -> Json:
        """Import NDJSON; end the benchmark when a line is refused."""
        path = f"/v1/libraries/{name}/documents:import?on_error={on_error}"
        report = self.send("POST", path, content, "application/x-ndjson")
        if report["failed"]:
            raise SystemExit(f"the import refused lines: {report}")
        return report

    def search(self, vector: Vectors, k: int = 10, name: str = LIBRARY, **wanted: Json) -> Json:
        """Return the answer to one search."""
        body = json.dumps({"vector": encoded(vector), "k": k, **wanted}).encode()
        return self.send("POST", f"/v1/libraries/{name}/search", body)

    def memory(self, field: str) -> int:
        """Return a figure of /proc/PID/status in bytes, such as RssAnon."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"this system does not report {field}")

    def processes(self) -> list[int]:
        """Return the process id of the running server and those of its workers."""
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [self.pid, *(int(pid) for listed in children for pid in listed.read_text().split())]

    def cpu_seconds(self) -> float:
        """Return the processor time its processes have taken, all threads together."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.processes())
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")

    def _answers(self) -> bool:
        try:
            self.send("GET", "/readyz")
        except (OSError, HTTPException):
            return False
        return True


@contextmanager
def running(data_dir: Path, workers: int = 0) -> Iterator[Server]:
    """A server, with so many workers, for the length of the block."""
    server = Server(data_dir, workers=workers)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fill(
    server: Server,
    vectors: Vectors,
    batch: int = 50_000,
    *,
    metadata: Sequence[Json] | None = None,
    **settings: Json,
) -> None:
    """Make the library, with these settings, and store a chunk for each vector."""
    server.create_library(dimension=vectors.shape[1], **settings)
    items = documents(vectors, texts(len(vectors)), metadata)
    for _ in range(0, len(vectors), batch):
        server.import_documents(lines(islice(items, batch // CHUNKS_A_DOCUMENT)))


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> str:
    """Return what the figures depend on, in one line."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    packages = ("numpy", "numba", "apsw", "pydantic", "fastapi", "uvicorn", "uvloop")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    machine = f"{cpu.partition(': ')[2]}, {cores} cores, {platform.system()} {platform.release()}"
    return f"{machine}\nPython {platform.python_version()}, {versions}\nload before the run: {load}\n"


def said(what: str) -> None:
    """Tell how far the run is, beside the tables."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return median and range."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} - {max(values):,.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, aligned."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    ruled = [head, ["-" * width for width in widths], *rows]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in ruled]
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)
