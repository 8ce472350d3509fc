"""What a move has done, and the words for it."""

import time
from collections.abc import Iterator

import typer

from pergamum.cli.output import FAILED, print_json
from pergamum.moving.mover import Move


class MoveOutcome:
    """What a move has done so far, and the words for it."""

    def __init__(self, move: Move) -> None:
        self._move, self._before, self._already = move, move.state.report.read, move.state.done
        self._began = time.monotonic()

    @property
    def read(self) -> int:
        """How many rows this run has read."""
        return self._move.state.report.read - self._before

    def advice(self) -> str:
        """Say what is stored after a move that ended early."""
        if self._move.library is None:
            return "nothing was written"
        return f"{self._move.state.report.read:,} rows are done; the same command continues after them"

    def report(self, as_json: bool) -> None:
        """Print what was done; end with an exit code that says so where rows were left out."""
        if as_json:
            print_json(self._values())
        else:
            for line in self._lines():
                typer.echo(line)
        if self._move.state.report.left_out:
            raise typer.Exit(FAILED)

    def _lines(self) -> Iterator[str]:
        about, report = self._move.source.about, self._move.state.report
        yield f"{about.name}: {self._summary()}"
        yield from report.lines()
        for heading, lines in (("not moved:", about.left), ("note:", about.notes)):
            if lines:
                yield heading
                yield from (f"  {line}" for line in lines)

    def _summary(self) -> str:
        report, library = self._move.state.report, self._move.library
        left_out = f", {report.left_out:,} left out" if report.left_out else ""
        if library is None:
            return f"{report.moved:,} of {report.read:,} rows would come{left_out}; nothing was written"
        if self._already:
            return f"{report.moved:,} rows are in {library.info().name} already{left_out} (--restart moves them again)"
        seconds = time.monotonic() - self._began
        rate = f"{self.read / seconds:,.0f} rows/s" if seconds else "at once"
        return f"{report.moved:,} rows moved into {library.info().name}{left_out}, in {seconds:.1f} s ({rate})"

    def _values(self) -> dict[str, object]:
        """Return the report as JSON values."""
        about, report, library = self._move.source.about, self._move.state.report, self._move.library
        return {
            "source": about.name,
            "library": library and library.info().name,
            "library_id": library and library.key,
            "rows": about.count,
            "read": report.read,
            "moved": report.moved,
            "left_out": report.left_out,
            "resumed_after": self._before,
            "done": self._move.state.done,
            "dry_run": library is None,
            "findings": [
                {"what": found.lost, "reason": found.reason, "count": found.count, "examples": found.examples}
                for found in report.findings.values()
            ],
            "untyped": report.fields.untyped(),
            "not_moved": about.left,
            "notes": about.notes,
            "seconds": round(time.monotonic() - self._began, 3),
        }
