"""Chunks a second stored durably through REST: with given vectors, and texts that the server embeds.

    python -m benchmarks.import_speed [--chunks 10000 100000] [--dimension 256] [--texts 20000] [--repeats 3]

A chunk counts when the request that carried it was answered, which is after its bytes were flushed. Bodies are made
before the clock starts. Imports of texts stand beside the local embedder alone, in this process, on the same texts:
short chunks as they are, and long documents that the server splits.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks.harness import (
    CHUNKS_A_DOCUMENT,
    LIBRARY,
    TEXT,
    Server,
    corpus,
    documents,
    environment,
    lines,
    running,
    spread,
    table,
    texts,
)
from pergamum.domain.library import Chunking
from pergamum.domain.splitter import split
from pergamum.embedding.local import LocalEmbedder

BATCH_DOCUMENTS = 100
CHUNK = 1_000
SENTENCES = 50
PATH = f"/v1/libraries/{LIBRARY}"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One row of the table: what is sent by `send`, and how many chunks that stores."""

    name: str
    chunks: int
    dimension: int | None
    send: Callable[[Server], object]


def main() -> None:
    """Measure and print."""
    options = _options()
    print(environment())
    cases = [case for count in options.chunks for case in _vector_cases(count, options.dimension)]
    embedder = LocalEmbedder()
    embedder.load()
    embedded = dict([_short_case(options.texts), _long_case(options.texts)])
    rates: dict[str, list[float]] = {case.name: [] for case in [*cases, *embedded]}
    alone: dict[str, list[float]] = {case.name: [] for case in embedded}
    for _ in range(options.repeats):
        for case in [*cases, *embedded]:
            rates[case.name].append(_measured(case))
        for case, contents in embedded.items():
            alone[case.name].append(_embedding_alone(embedder, contents))
    rows = [[name, spread(found), *_beside(found, alone.get(name))] for name, found in rates.items()]
    print(table(["what", "chunks/s (range)", "embedder alone", "share"], rows))


def _beside(found: list[float], alone: list[float] | None) -> tuple[str, str]:
    if alone is None:
        return "", ""
    return spread(alone), f"{median(mine / its for mine, its in zip(found, alone, strict=True)):.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def _vector_cases(count: int, dimension: int) -> list[Case]:
    contents, vectors = texts(count), corpus(count, dimension)
    content = lines(documents(vectors, contents))
    items = documents(vectors, contents)
    batches = []
    while batch := list(islice(items, BATCH_DOCUMENTS)):
        batches.append(json.dumps({"documents": batch}).encode())
    size = f"{BATCH_DOCUMENTS * CHUNKS_A_DOCUMENT:,}"
    return [
        Case(f"import on_error=skip, {count:,}", count, dimension, lambda server: server.import_documents(content)),
        Case(
            f"import on_error=abort, {count:,}",
            count,
            dimension,
            lambda server: server.import_documents(content, on_error="abort"),
        ),
        Case(f"documents:batch of {size}, {count:,}", count, dimension, lambda server: _send_batches(server, batches)),
    ]


def _short_case(count: int) -> tuple[Case, list[str]]:
    """Return the import of chunks of some 200 characters, and what is embedded."""
    contents = texts(count)
    content = lines(documents(None, contents))
    name = f"import of {count:,} chunks without vectors"
    return Case(name, count, None, lambda server: server.import_documents(content)), contents


def _long_case(count: int) -> tuple[Case, list[str]]:
    """Return the import of documents that are split into about `count` chunks by default, and what is embedded."""
    sentences = texts(count * CHUNK // TEXT, seed=1)
    whole = [". ".join(sentences[at : at + SENTENCES]) for at in range(0, len(sentences), SENTENCES)]
    content = lines({"id": f"d{number}", "text": text} for number, text in enumerate(whole))
    chunking = Chunking()
    contents = [part for text in whole for part in split(text, chunking.size, chunking.overlap)]
    name = f"import of {len(whole):,} documents ({len(contents):,} chunks)"
    return Case(name, len(contents), None, lambda server: server.import_documents(content)), contents


def _send_batches(server: Server, batches: Sequence[bytes]) -> None:
    for batch in batches:
        server.send("POST", f"{PATH}/documents:batch", batch)


def _measured(case: Case) -> float:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        server.create_library(dimension=case.dimension)
        _warm_up(server, case.dimension)
        server.settle()
        started = time.perf_counter()
        case.send(server)
        seconds = time.perf_counter() - started
        stored = server.send("GET", PATH)["chunks"]
        if stored != case.chunks:
            raise SystemExit(f"{case.name}: {stored} chunks were stored")
    return case.chunks / seconds


def _warm_up(server: Server, dimension: int | None) -> None:
    """Let the server load what it loads once: its model, its code."""
    server.create_library("warm-up", dimension)
    vectors = None if dimension is None else corpus(10, dimension)
    server.import_documents(lines(documents(vectors, texts(10))), "warm-up")


def _embedding_alone(embedder: LocalEmbedder, contents: Sequence[str]) -> float:
    started = time.perf_counter()
    embedder.embed_documents(contents)
    return len(contents) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
