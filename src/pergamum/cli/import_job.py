"""One import: a file, the library that it goes to, and how far it is."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pergamum.cli.bookmark import Bookmark, Progress, file_bookmark, kept
from pergamum.cli.columns import Columns, spare_id
from pergamum.cli.import_outcome import Outcome
from pergamum.cli.loader import Loader, RowRefused
from pergamum.cli.output import CANNOT_START, INTERRUPTED, fail, tell
from pergamum.cli.progress_bar import progress_bar
from pergamum.cli.tables import Fields, Table, UnreadableFile, open_table
from pergamum.client import ClientError, Conflict, Library, NewDocument, NewLibrary, NotFound, Pergamum
from pergamum.client.drafts import OnError


def chosen_columns(choices: Iterable[str]) -> Columns:
    """Return the columns chosen by options such as `text=abstract`; a wrong one ends the command."""
    try:
        return Columns.parsed(choices)
    except ValueError as error:
        fail(str(error), CANNOT_START)


def named_library(client: Pergamum, key: str, create: bool, model: str | None) -> Library:
    """Return the library, made if it is not there and may be."""
    try:
        return client.libraries.get(key)
    except NotFound:
        if not create:
            fail(f"there is no library {key!r}; --create makes it")
    fields = NewLibrary(name=key)
    if model is not None:
        fields["embedding_model"] = None if model == "none" else model
    try:
        return client.libraries.create(**fields)
    except Conflict:  # another program made it just now
        return client.libraries.get(key)


@dataclass(frozen=True, slots=True)
class Job:
    """A file, and the library that it goes to."""

    file: Path
    table: Table
    columns: Columns
    library: Library
    bookmark: Bookmark[Progress]
    on_error: OnError

    @classmethod
    def of(cls, file: Path, columns: Columns, library: Library, on_error: OnError) -> "Job":
        """Open the file; one that is no table ends the command."""
        try:
            table = open_table(file, columns.words)
        except UnreadableFile as error:
            fail(str(error))
        return cls(file, table, columns, library, file_bookmark(file, library.key, columns.key), on_error)

    def run(self, batch_size: int, restart: bool) -> Outcome:
        """Import what is left. What ends that early becomes a message, which says what is stored, and an exit code."""
        outcome = Outcome(self.file, self.library, Progress() if restart else self.bookmark.load())
        if outcome.progress.done:
            return outcome
        try:
            self._load(outcome, batch_size)
        except (RowRefused, UnreadableFile) as error:
            fail(f"{error}\n{outcome.advice()}")
        except KeyboardInterrupt:
            fail(f"interrupted: {outcome.advice()}", INTERRUPTED)
        except ClientError:
            tell(outcome.advice())
            raise
        outcome.progress = replace(outcome.progress, done=True)
        kept(self.bookmark, outcome.progress)
        return outcome

    def _load(self, outcome: Outcome, batch_size: int) -> None:
        """Send the rows, keeping the progress after each batch that was acknowledged."""
        loader = Loader(self.library, self._document, self.on_error, outcome.skipped)
        rows = self.table.rows(outcome.progress.row)
        with progress_bar(self.table.total) as show:
            for acknowledged in loader.load(rows, outcome.progress, batch_size):
                outcome.progress = acknowledged.progress
                kept(self.bookmark, outcome.progress)
                show(acknowledged.read, outcome.imported)

    def _document(self, cells: Fields, row: int) -> NewDocument:
        return self.columns.document(cells, spare_id(self.file, row))
