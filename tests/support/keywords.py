"""Looking at the keyword indexes of a data folder from outside."""

from contextlib import closing
from pathlib import Path

import apsw

from pergamum.storage.sqlite.keyword_check import keyword_fault
from pergamum.storage.sqlite.keywords import is_sound


def faults(data: Path) -> list[str]:
    """Return what is wrong with the keyword index of each library, where it does not hold exactly its rows' words.

    REQUIRES: nobody has the libraries open.
    """
    return [found for path in sorted((data / "libraries").rglob("library.db")) if (found := _fault(path)) is not None]


def _fault(path: Path) -> str | None:
    with closing(apsw.Connection(str(path))) as connection:
        return keyword_fault(connection) if is_sound(connection) else "it is marked as unsound"
