"""What `pergamum generate` has made, and the words for it."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from pergamum.cli.output import print_json, tell
from pergamum.cli.progress_bar import Shown, progress_bar

if TYPE_CHECKING:
    from pergamum.client import NewDocument

SHOWN_EVERY: Final = 64
"""Documents between two looks of the progress bar."""


class Outcome:
    """Counts documents and chunks on their way to `place`, a library or a file; `-` is stdout."""

    def __init__(self, chunks: int, place: str) -> None:
        self._wanted, self._place = chunks, place
        self._began = time.monotonic()
        self.documents = self.chunks = 0

    @contextmanager
    def counting(self, documents: "Iterable[NewDocument]") -> "Iterator[Iterator[NewDocument]]":
        """The documents, counted as they are taken, with a bar for the length of the block."""
        with progress_bar(self._wanted, "chunks") as show:
            yield self._counted(documents, show)

    def _counted(self, documents: "Iterable[NewDocument]", show: Shown) -> "Iterator[NewDocument]":
        for document in documents:
            self.documents += 1
            self.chunks += len(document["chunks"] or ())
            if self.documents % SHOWN_EVERY == 0:
                show(self.chunks, self.chunks)
            yield document

    def report(self, as_json: bool) -> None:
        """Say what was made, on stderr where stdout has the documents."""
        seconds = time.monotonic() - self._began
        rate = self.chunks / max(seconds, 1e-9)
        counts = f"{self.chunks:,} chunks in {self.documents:,} documents"
        if self._place == "-":
            tell(f"{counts}, in {seconds:.1f} s ({rate:,.0f} chunks/s)")
        elif as_json:
            made = {"place": self._place, "documents": self.documents, "chunks": self.chunks}
            print_json(made | {"seconds": round(seconds, 3)})
        else:
            typer.echo(f"{counts} to {self._place}, in {seconds:.1f} s ({rate:,.0f} chunks/s)")
