"""Looking at the keyword indexes of a data folder from outside, and damaging them."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

import apsw

from pergamum.storage.sqlite.keyword_check import keyword_fault
from pergamum.storage.sqlite.keywords import is_sound

PAGE: Final = 8_192
Damage: TypeAlias = Callable[[Path], None]


def database(data: Path) -> Path:
    """Return the database of the only library."""
    return next(data.glob("libraries/*/*/library.db"))


def torn_page(table: str) -> Damage:
    """Spoil the first byte of the table's first page, which says what kind of page it is."""

    def change(data: Path) -> None:
        with closing(apsw.Connection(str(database(data)))) as connection:
            sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
            page = int(connection.execute(sql, (table,)).fetchall()[0][0])  # type: ignore[arg-type]  # a number
        with database(data).open("r+b") as file:
            file.seek((page - 1) * PAGE)
            file.write(b"\x4d")

    return change


def faults(data: Path) -> list[str]:
    """Return what is wrong with the keyword index of each library, where it does not hold exactly its rows' words.

    REQUIRES: nobody writes documents.
    """
    databases = sorted(data.glob("libraries/*/*/library.db"))  # not below: upkeep deletes old snapshots meanwhile
    return [found for path in databases if (found := _fault(path)) is not None]


def _fault(path: Path) -> str | None:
    with closing(apsw.Connection(str(path))) as connection:
        connection.set_busy_timeout(10_000)  # of an open library: what goes on after a write takes the lock too
        return keyword_fault(connection) if is_sound(connection) else "it is marked as unsound"
