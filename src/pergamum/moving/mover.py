"""Copies the rows of a source into a library, page by page; what is acknowledged is never sent again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pergamum.client import ClientError, Library, Pergamum
from pergamum.domain.vectors import Metric
from pergamum.moving.base import About, CannotMove, Choice, Cursor, Page, Source
from pergamum.moving.draft import Draft, Drafting, LeftOut
from pergamum.moving.report import Lost, Report
from pergamum.moving.target import ChunksOfDocuments, OneDocumentEach, Target, declare, found_library, new_library

PAGE_ROWS: Final = 500

Keep: TypeAlias = Callable[["State"], None]
"""Keeps the state, so that a move that ends early goes on from there."""
Show: TypeAlias = Callable[[int, int], None]
"""Hears how many rows are read and how many moved."""


class RowLeftOut(Exception):
    """A row cannot come, and the move was to end there; the next run begins with its page."""


@dataclass(slots=True)
class State:
    """How far a move is. `made`: it created its library, and has to declare the fields when all rows are there."""

    cursor: Cursor = None
    made: bool = False
    done: bool = False
    report: Report = field(default_factory=Report)


class _Nowhere:
    """The target of a dry run."""

    def store(self, drafts: Sequence[Draft], report: Report) -> None:
        report.moved += len(drafts)


@dataclass(slots=True)
class Move:
    """One source and the library it goes to; `library` None: a dry run, that reads, checks and writes nothing."""

    source: Source
    library: Library | None
    drafting: Drafting
    state: State

    def run(
        self, *, size: int = PAGE_ROWS, abort: bool = False, keep: Keep = lambda _: None, show: Show = lambda *_: None
    ) -> Report:
        """Copy what is left; hold one page in memory. With `abort` the first row that cannot come ends it.

        Raises `RowLeftOut`, `CannotMove`, and what the client raises; then what `keep` got last is stored.
        """
        target = self._target()
        for page in self.source.pages(self.state.cursor, size):
            became = self._moved(page, target, abort)
            self.state.report.add(became)
            self.state.cursor = page.cursor
            keep(self.state)
            show(self.state.report.read, self.state.report.moved)
        if self.library is not None:
            self._finish(self.library)
        self.state.done = True
        keep(self.state)
        return self.state.report

    def _target(self) -> Target:
        if self.library is None:
            return _Nowhere()
        return OneDocumentEach(self.library) if self.drafting.document is None else ChunksOfDocuments(self.library)

    def _moved(self, page: Page, target: Target, abort: bool) -> Report:
        """Store a page; return what became of its rows."""
        became = Report(read=len(page.rows))
        drafts: dict[str, Draft] = {}
        for row in page.rows:
            try:
                draft = self.drafting.draft(row, became)
            except LeftOut as fault:
                became.leave_out(row.id or "", fault.reason, fault.detail)
                continue
            if drafts.pop(draft.id, None) is not None:
                became.leave_out(draft.id, "have the id of a later row, which takes their place")
            drafts[draft.id] = draft
        if abort:
            _require_all(became)
        if drafts:
            target.store(list(drafts.values()), became)
        if abort:
            _require_all(became)
        return became

    def _finish(self, library: Library) -> None:
        """Declare the fields of a library that was made for the move, and count what ids that occur twice cost."""
        if not self.state.made:
            return
        report = self.state.report
        try:
            declare(library, report.fields)
        except ClientError as error:
            report.note(Lost.CHANGED, f"no types were declared, filters see no field: {error}")
        replaced = report.moved - library.refresh().chunks
        if replaced > 0:
            report.moved -= replaced
            report.left_out += replaced
            report.note(Lost.ROW, "have the id of a later row, which took their place", count=replaced)


def move(source: Source, client: Pergamum, library: str, choice: Choice | None = None) -> Report:
    """Copy all rows of the source into the library, which is created if it is not there; return what became of them.

    >>> with opened("chroma", "chroma-data", Choice(collection="notes")) as source:
    ...     print(move(source, client, "notes").moved)
    5
    """
    wanted = choice or Choice()
    target, made = target_library(source.about, wanted, client, library)
    return Move(source, target, drafting(source.about, wanted, target), State(made=made)).run()


def target_library(
    about: About, choice: Choice, client: Pergamum, name: str, *, model: str | None = None
) -> tuple[Library, bool]:
    """Return the library, and whether it was made just now. Raises `CannotMove` when the two do not go together."""
    metric = metric_of(about, choice)
    library = found_library(client, name, about, metric)
    if library is not None:
        return library, False
    return new_library(client, name, about.dimension, metric, model), True


def drafting(about: About, choice: Choice, library: Library | None) -> Drafting:
    """Return what makes drafts of the rows."""
    known = None if library is None else library.refresh().dimension
    return Drafting(known or about.dimension, metric_of(about, choice), about.types, choice.document)


def metric_of(about: About, choice: Choice) -> Metric:
    """Return the chosen metric or the source's. Raises `CannotMove` when there is neither."""
    metric = choice.metric or about.metric
    if metric is None:
        raise CannotMove(
            f"{about.name} does not say how its vectors are compared, or in a way that is not known here;"
            " choose --metric cosine, dot or l2"
        )
    return metric


def _require_all(became: Report) -> None:
    """Raise `RowLeftOut` for the first row that cannot come."""
    for found in became.of(Lost.ROW):
        raise RowLeftOut(f"rows {found.reason} ({'; '.join(found.examples)})")
