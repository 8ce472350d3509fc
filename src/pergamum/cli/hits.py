"""Vectors to search with, and hits for people to read."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pergamum.cli.output import CANNOT_START, fail
from pergamum.client import Library, NotFound
from pergamum.wire.search import SearchOut


def read_vector(path: Path) -> npt.NDArray[np.float32]:
    """Return the vector in a file; one that holds none ends the command."""
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32).reshape(-1)
        return np.asarray(json.loads(path.read_bytes()), dtype=np.float32).reshape(-1)
    except (OSError, ValueError, TypeError) as error:
        fail(f"{path} holds no vector: {error}", CANNOT_START)


def titles(library: Library, answer: SearchOut) -> dict[str, str | None]:
    """Return the titles of the documents found; one deleted since the search has none."""
    found: dict[str, str | None] = {}
    for hit in answer.hits:
        if hit.document_id not in found:
            found[hit.document_id] = _title(library, hit.document_id)
    return found


def _title(library: Library, document: str) -> str | None:
    try:
        return library.documents.get(document).title
    except NotFound:
        return None


def show(answer: SearchOut, titles: dict[str, str | None]) -> None:
    """Print the hits as a table."""

    if not answer.hits:
        typer.echo("nothing found: the library is empty")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("score", justify="right")
    table.add_column("document", overflow="fold", max_width=30)
    table.add_column("text", overflow="fold")
    for hit in answer.hits:
        name = titles[hit.document_id] or hit.document_id
        table.add_row(f"{hit.score:.3f}", Text(name, style="bold"), Text(_shortened(hit.text)))
    Console().print(table)


def _shortened(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
