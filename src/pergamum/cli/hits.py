"""Vectors to search with, and hits for people to read."""

import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pergamum.cli.output import CANNOT_START, fail
from pergamum.wire.search import SearchOut

SHOWN: Final = ("text", "document.title")
"""The fields of hits that the table shows."""


def read_vector(path: Path) -> npt.NDArray[np.float32]:
    """Return the vector in a file; one that holds none ends the command."""
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32).reshape(-1)
        return np.asarray(json.loads(path.read_bytes()), dtype=np.float32).reshape(-1)
    except (OSError, ValueError, TypeError) as error:
        fail(f"{path} holds no vector: {error}", CANNOT_START)


def show(answer: SearchOut) -> None:
    """Print the hits as a table; REQUIRES: `SHOWN` was selected."""
    hits = answer.hits if answer.groups is None else [hit for group in answer.groups for hit in group.hits]
    if not hits:
        typer.echo("nothing found: no chunk of the library matches")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("score", justify="right")
    table.add_column("document", overflow="fold", max_width=30)
    table.add_column("text", overflow="fold")
    for hit in hits:
        name = (hit.document and hit.document.title) or hit.document_id
        table.add_row(f"{hit.score:.3f}", Text(name, style="bold"), Text(_shortened(hit.text or "")))
    Console().print(table)


def _shortened(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
