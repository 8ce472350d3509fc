"""How far an import is, kept beside the user's other state, so that the next run continues."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from pergamum.cli.output import tell

Kept = TypeVar("Kept")
"""A dataclass that JSON can carry."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`row`: the last that the server acknowledged, or that was skipped; `done`: there are no more."""

    row: int = 0
    stored: int = 0
    skipped: int = 0
    done: bool = False


class Bookmark(Generic[Kept]):
    """The progress of one source into one library. A lost or unreadable one means a start from the first row.

    That does no harm: every row has an id, its own or one made of file and row, so a repetition replaces it by itself.
    """

    def __init__(self, path: Path, nothing: Callable[[], Kept]) -> None:
        self.path, self._nothing, self._form = path, nothing, TypeAdapter(type(nothing()))

    @classmethod
    def named(cls, identity: Sequence[object], nothing: Callable[[], Kept], folder: Path | None = None) -> Self:
        """Return the bookmark of what the identity, JSON values without secrets, tells from all else."""
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
        return cls((folder or state_folder()) / f"{key}.json", nothing)

    def load(self) -> Kept:
        """Return the progress, none when nothing is kept."""
        try:
            return self._form.validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return self._nothing()

    def save(self, progress: Kept) -> None:
        """Keep the progress. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_bytes(self._form.dump_json(progress))
        draft.replace(self.path)


def file_bookmark(file: Path, library_id: str, columns: str, folder: Path | None = None) -> Bookmark[Progress]:
    """Return the bookmark of the file as it is now: another size or time of change is another file."""
    stat = file.stat()
    identity = [str(file.resolve()), stat.st_size, stat.st_mtime_ns, library_id, columns]
    return Bookmark.named(identity, Progress, folder)


def kept(bookmark: Bookmark[Kept], progress: Kept) -> None:
    """Save the progress, or tell that it cannot be."""
    try:
        bookmark.save(progress)
    except OSError as error:
        tell(f"cannot keep the progress, a next run begins anew: {error}")


def state_folder() -> Path:
    """Return the folder of imports: in XDG_STATE_HOME, or ~/.local/state."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "pergamum" / "imports"
