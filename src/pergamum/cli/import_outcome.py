"""What an import has done, and the words for it."""

import time
from dataclasses import asdict
from pathlib import Path

import typer

from pergamum.cli.bookmark import Progress
from pergamum.cli.output import print_json, tell
from pergamum.client import Library

MOST_TOLD = 20
"""Skipped rows that are told one by one."""


class Outcome:
    """What an import has done so far, and the words for it."""

    def __init__(self, file: Path, library: Library, start: Progress) -> None:
        self._file, self._library, self._start = file, library, start
        self._began = time.monotonic()
        self.progress = start
        self._told = 0

    @property
    def imported(self) -> int:
        """How many documents this run has stored."""
        return self.progress.stored - self._start.stored

    def skipped(self, row: int, reason: str) -> None:
        """Tell of a skipped row, unless there were many."""
        self._told += 1
        if self._told <= MOST_TOLD:
            tell(f"skipped row {row}: {reason}")
        elif self._told == MOST_TOLD + 1:
            tell("more rows are skipped; they are counted at the end")

    def advice(self) -> str:
        """Say what is stored after an import that ended early."""
        return f"the rows up to {self.progress.row:,} are done; the same command continues after them"

    def report(self, as_json: bool) -> None:
        """Print what was done."""
        seconds = time.monotonic() - self._began
        if as_json:
            where = {"file": str(self._file), "library": self._library.info().name, "library_id": self._library.key}
            after = {"resumed_after": self._start.row, "imported": self.imported, "seconds": round(seconds, 3)}
            print_json(where | asdict(self.progress) | after)
            return
        if self._start.done:
            typer.echo(f"{self._file} is in {self._library.info().name} already (--restart imports it again)")
            return
        skipped = f", {self.progress.skipped:,} skipped" if self.progress.skipped else ""
        rate = f"{self.imported / seconds:,.0f} documents/s" if seconds else "at once"
        name = self._library.info().name
        typer.echo(f"{self.imported:,} documents imported into {name}{skipped}, in {seconds:.1f} s ({rate})")
