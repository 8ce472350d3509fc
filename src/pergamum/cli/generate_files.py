"""Synthetic documents and queries as JSON lines, in a file or on stdout."""

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

from pergamum.cli.generate_outcome import Outcome
from pergamum.client.vectors import encoded
from pergamum.synthetic import Recipe, documents, queries

if TYPE_CHECKING:
    from pergamum.client import NewDocument

VectorFormat: TypeAlias = Literal["base64", "list", "none"]


def write_documents(recipe: Recipe, chunks: int, path: Path, vectors: VectorFormat) -> Outcome:
    """Write so many chunks, one document a line; return what was written. Raises OSError."""
    outcome = Outcome(chunks, str(path))
    with _opened(path) as file, outcome.counting(documents(recipe, chunks)) as made:
        for document in made:
            file.write(_document(document, vectors))
    return outcome


def write_queries(recipe: Recipe, number: int, path: Path, vectors: VectorFormat) -> None:
    """Write so many queries, one a line: `id`, `topic`, `text` and, unless they are left out, `vector`."""
    with _opened(path) as file:
        for query in queries(recipe, number):
            file.write(_line(_written(query, "vector", vectors)))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The file to write, packed where its name ends with .gz (always to the same bytes); stdout for `-`."""
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.suffix == ".gz":
        with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            yield packed
    else:
        with path.open("wb") as raw:
            yield raw


def _document(document: "NewDocument", vectors: VectorFormat) -> bytes:
    chunks = [_written(chunk, "embedding", vectors) for chunk in document["chunks"] or ()]
    return _line({**document, "chunks": chunks})


def _written(fields: Mapping[str, Any], name: str, vectors: VectorFormat) -> dict[str, Any]:
    """Return the fields with the vector of that name as JSON has it, or without it."""
    others = {key: value for key, value in fields.items() if key != name}
    if vectors == "none" or name not in fields:
        return others
    vector = fields[name]
    return others | {name: encoded(vector) if vectors == "base64" else vector.tolist()}


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"
