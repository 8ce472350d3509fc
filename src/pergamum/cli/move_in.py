"""One move: another database, the library that its rows go to, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pergamum.cli.bookmark import Bookmark, kept
from pergamum.cli.move_outcome import MoveOutcome
from pergamum.cli.output import INTERRUPTED, connected, fail, tell
from pergamum.cli.progress_bar import progress_bar
from pergamum.client import ClientError, Library
from pergamum.domain.vectors import Metric
from pergamum.moving.base import CannotMove, Choice, Source
from pergamum.moving.mover import Move, RowLeftOut, State, drafting, target_library
from pergamum.moving.opening import Kind, opened
from pergamum.moving.place import identity


@dataclass(frozen=True, slots=True)
class MoveIn:
    """What is to be moved, and where to. `abort`: the first row that cannot come ends it."""

    kind: Kind
    place: str
    choice: Choice
    library: str
    model: str | None
    abort: bool

    @classmethod
    def of(
        cls, kind: Kind, place: str, wanted: Mapping[str, Any], *, library: str, model: str | None, abort: bool
    ) -> Self:
        """Return the move that the options of the command ask for."""
        metric = None if wanted["metric"] is None else Metric(wanted["metric"])
        choice = Choice(**{**wanted, "metric": metric})
        return cls(kind, place, choice, library, None if model == "none" else model, abort)

    def run(self, url: str | None, *, batch: int, restart: bool, dry_run: bool, as_json: bool) -> None:
        """Move what is left and say how it went. What ends that early becomes a message and an exit code."""
        try:
            with opened(self.kind, self.place, self.choice) as source:
                outcome = self._tried(source, batch) if dry_run else self._stored(source, url, batch, restart)
        except CannotMove as error:
            fail(str(error))
        outcome.report(as_json)

    def _tried(self, source: Source, batch: int) -> MoveOutcome:
        return self._moved(Move(source, None, drafting(source.about, self.choice, None), State()), batch)

    def _stored(self, source: Source, url: str | None, batch: int, restart: bool) -> MoveOutcome:
        with connected(url) as client:
            library, made = target_library(source.about, self.choice, client, self.library, model=self.model)
            bookmark = self._bookmark(source, library)
            state = bookmark.load()
            state.made = state.made or made
            if restart or (state.done and state.report.read != source.about.count):
                state = State(made=state.made)
            kept(bookmark, state)
            move = Move(source, library, drafting(source.about, self.choice, library), state)
            return self._moved(move, batch, bookmark)

    def _moved(self, move: Move, batch: int, bookmark: Bookmark[State] | None = None) -> MoveOutcome:
        outcome = MoveOutcome(move)
        if move.state.done:
            return outcome

        def keep(state: State) -> None:
            if bookmark is not None:
                kept(bookmark, state)

        try:
            with progress_bar(move.source.about.count, "rows") as show:
                move.run(size=batch, abort=self.abort, keep=keep, show=lambda read, _: show(read, outcome.read))
        except RowLeftOut as error:
            fail(f"{error}\n{outcome.advice()}")
        except CannotMove as error:
            fail(f"{error}\n{outcome.advice()}")
        except KeyboardInterrupt:
            fail(f"interrupted: {outcome.advice()}", INTERRUPTED)
        except ClientError:
            tell(outcome.advice())
            raise
        return outcome

    def _bookmark(self, source: Source, library: Library) -> Bookmark[State]:
        chosen = [self.choice.collection, self.choice.id, self.choice.vector, self.choice.text, self.choice.metadata]
        chosen += [self.choice.document, self.choice.texts]
        where = [self.kind, identity(self.place), source.about.name, library.key]
        return Bookmark.named([*where, *chosen], State)
