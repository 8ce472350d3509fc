"""How far a file has been imported, kept beside the user's other state, so that the next run continues."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, slots=True)
class Progress:
    """`row`: the last that the server acknowledged, or that was skipped; `done`: there are no more."""

    row: int = 0
    stored: int = 0
    skipped: int = 0
    done: bool = False


class Bookmark:
    """The progress of one file into one library. A lost or unreadable one means a start from the first row.

    That does no harm: every row has an id, its own or one made of file and row, so a repetition replaces it by itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, file: Path, library_id: str, columns: str, folder: Path | None = None) -> Self:
        """Return the bookmark of the file as it is now: another size or time of change is another file."""
        stat = file.stat()
        identity = [str(file.resolve()), stat.st_size, stat.st_mtime_ns, library_id, columns]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
        return cls((folder or state_folder()) / f"{key}.json")

    def load(self) -> Progress:
        """Return the progress, none when nothing is kept."""
        try:
            return TypeAdapter(Progress).validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return Progress()

    def save(self, progress: Progress) -> None:
        """Keep the progress. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(progress)))
        draft.replace(self.path)


def state_folder() -> Path:
    """Return the folder of imports: in XDG_STATE_HOME, or ~/.local/state."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "pergamum" / "imports"
