"""The full-text index over the words of titles and chunks: `keywords`, an FTS5 table with one entry for each slot.

It is made from the rows and holds nothing else, so whatever is wrong with it, the rows are right: a write that cannot
keep it up marks it as unsound and goes on, searches by keywords then raise `KeywordsDamaged`, and the next opening of
the library fills it again. docs/decisions/0018-keyword-index.md.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import apsw

from pergamum.domain.keywords import MOST_MATCHES, KeywordQuery, Phrase, read_keywords, worth_ranking
from pergamum.domain.words import WORDS_VERSION, folded
from pergamum.errors import KeywordsDamaged
from pergamum.storage.sqlite.codec import Row
from pergamum.storage.sqlite.connection import failure
from pergamum.storage.sqlite.schema import KEYWORDS

CHUNKS_A_RUN: Final = 1_000
UNSOUND: Final = "it was found damaged; the next opening of the library makes it again from the rows"

_WORDS_OF: Final = """
SELECT c.slot, CAST(d.title AS BLOB), CAST(c.text AS BLOB)
FROM chunks AS c LEFT JOIN documents AS d ON d.number = c.document """
_IN_RANGE: Final = _WORDS_OF + "WHERE c.slot BETWEEN ? AND ?"
_AFTER: Final = _WORDS_OF + "WHERE c.slot > ? ORDER BY c.slot LIMIT ?"
_ADD: Final = "INSERT INTO keywords (rowid, title, text) VALUES (?, ?, ?)"
_REMOVE: Final = "DELETE FROM keywords WHERE rowid = ?"
_COUNT_WORD: Final = "SELECT doc FROM keyword_counts WHERE term = ?"
_COUNT: Final = "SELECT count(*) FROM (SELECT rowid FROM keywords WHERE keywords MATCH ? LIMIT ?)"
_RANKED: Final = """
SELECT rowid, -bm25(keywords, ?, 1.0) AS score FROM keywords WHERE keywords MATCH ? ORDER BY score DESC, rowid"""
_MATCHING: Final = "SELECT rowid FROM keywords WHERE keywords MATCH ? ORDER BY rowid"
_IS_SOUND: Final = "SELECT made_of, sound FROM keyword_state"
_MARK: Final = "UPDATE keyword_state SET made_of = ?, sound = ?"
DAMAGE: Final = (apsw.CorruptError, apsw.SQLError, apsw.ConstraintError)
"""What FTS5 raises over broken tables of its own: the statements here are right, so these errors are not theirs."""


def is_sound(connection: apsw.Connection) -> bool:
    """Whether the index holds the words of the rows, as this release cuts them."""
    return connection.execute(_IS_SOUND).fetchall() == [(WORDS_VERSION, 1)]


class KeywordReads:
    """The index as a read transaction sees it. `what` is the name of the database in errors."""

    __slots__ = ("_connection", "_what")

    def __init__(self, connection: apsw.Connection, what: str) -> None:
        self._connection, self._what = connection, what

    def hits(self, query: KeywordQuery, title_weight: float) -> Iterator[tuple[int, float]]:
        """See `Rows.keyword_hits`."""
        try:
            self._check_sound()
            counts = [self._count(phrase) for phrase in query.phrases]
            if wanted := " OR ".join(_written(query.phrases[place]) for place in worth_ranking(query, counts)):
                yield from self._connection.execute(_RANKED, (title_weight, wanted))
        except apsw.Error as error:
            raise self._failed(error) from error

    def slots_matching(self, text: str) -> list[int]:
        """See `Rows.slots_matching`."""
        query = read_keywords(text)
        if not query.phrases:
            return []
        try:
            self._check_sound()
            wanted = f"text : ({' AND '.join(map(_written, query.phrases))})"
            return [int(row[0]) for row in self._connection.execute(_MATCHING, (wanted,))]
        except apsw.Error as error:
            raise self._failed(error) from error

    def _check_sound(self) -> None:
        if not is_sound(self._connection):
            raise KeywordsDamaged(self._what, UNSOUND)

    def _count(self, phrase: Phrase) -> int:
        """Return how many chunks have the phrase; of those that cost much to count, at most 1 above `MOST_MATCHES`."""
        if len(phrase.words) == 1 and not phrase.prefix:
            found: list[Row] = self._connection.execute(_COUNT_WORD, phrase.words).fetchall()
        else:
            found = self._connection.execute(_COUNT, (_written(phrase), MOST_MATCHES + 1)).fetchall()
        return int(found[0][0]) if found else 0

    def _failed(self, error: apsw.Error) -> Exception:
        if isinstance(error, DAMAGE):
            return KeywordsDamaged(self._what, str(error))
        return failure(error, self._what, self._connection) or error


def _written(phrase: Phrase) -> str:
    """Return the phrase in the language of FTS5. Words are letters and digits: nothing in them can end a string."""
    return f'"{" ".join(phrase.words)}"{" *" if phrase.prefix else ""}'


class KeywordWrites:
    """What a write transaction has made stale in the index. Each stale entry is written once, from the rows."""

    __slots__ = ("_connection", "_documents", "_slots", "_what")

    def __init__(self, connection: apsw.Connection, what: str) -> None:
        self._connection, self._what = connection, what
        self._slots: set[int] = set()
        self._documents: set[int] = set()

    def chunks_changed(self, slots: Iterable[int]) -> None:
        """Note that the chunks of these slots were written, or are gone."""
        self._slots.update(slots)

    def titles_changed(self, titles: Iterable[tuple[str, str | None]]) -> None:
        """Note new titles of documents by id. REQUIRES: their rows still have the old ones."""
        sql = "SELECT number FROM documents WHERE id = ? AND title IS NOT ?"
        self._documents.update(int(row[0]) for row in self._connection.executemany(sql, titles))

    def write(self) -> None:
        """Bring the index up to the rows. What was undone since it was noted costs time only.

        Damage of the index is no failure: it is marked as unsound. But where SQLite itself finds a malformed page it
        commits nothing of the transaction any more: `KeywordsDamaged`, and the same writes work after a rollback and
        `mark_unsound`. Raises `apsw.Error` for anything else.
        """
        if not (self._slots or self._documents):
            return
        if is_sound(self._connection):
            self._write_or_mark()
        self._slots.clear()
        self._documents.clear()

    def _write_or_mark(self) -> None:
        run = self._connection.execute
        run("SAVEPOINT keywords")
        try:
            self._put(sorted(self._slots | self._slots_of_documents()))
            run("SAVEPOINT written")  # FTS5 writes what it has gathered now: a COMMIT must not be what meets damage
        except DAMAGE as error:
            try:
                run("ROLLBACK TO keywords")
                mark_unsound(self._connection)
            except apsw.CorruptError:
                raise KeywordsDamaged(self._what, str(error)) from error
        run("RELEASE keywords")

    def _slots_of_documents(self) -> set[int]:
        sql = "SELECT slot FROM chunks WHERE document = ?"
        found = self._connection.executemany(sql, ((number,) for number in self._documents))
        return {int(row[0]) for row in found}

    def _put(self, slots: Sequence[int]) -> None:
        # REPLACE would do both at once, but when it meets damage FTS5 does not get over it within the transaction.
        self._connection.executemany(_REMOVE, ((slot,) for slot in slots))
        for first, last in _ranges(slots):
            rows = self._connection.execute(_IN_RANGE, (first, last)).fetchall()
            self._connection.executemany(_ADD, map(_entry, rows))


def mark_unsound(connection: apsw.Connection) -> None:
    """Have the index neither read nor written until it is made again."""
    connection.execute(_MARK, ("", 0))


def fill_if_unsound(connection: apsw.Connection) -> bool:
    """Make the index again when it is not sound; return whether it is now. REQUIRES: no open transaction.

    A library is never refused because of its index: on a full disk, and over damaged rows, it stays unsound.
    """
    try:
        if not is_sound(connection):
            fill(connection)
    except apsw.Error:
        return False
    return True


def fill(connection: apsw.Connection) -> None:
    """Make the index again from the rows, in one transaction; 7 µs a chunk of 75 characters. Raises `apsw.Error`."""
    try:
        _fill(connection, _remove_tables)
    except DAMAGE:
        _fill(connection, _forget_tables)
        with suppress(apsw.Error):
            connection.execute("VACUUM")  # the forgotten pages


def _fill(connection: apsw.Connection, remove: Callable[[apsw.Connection], None]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        remove(connection)
        make(connection)
        write_all(connection, connection)
        connection.execute(_MARK, (WORDS_VERSION, 1))
        connection.execute("COMMIT")
    except apsw.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def make(connection: apsw.Connection) -> None:
    """Make the tables of the index, empty."""
    connection.execute(KEYWORDS)


def write_all(rows: apsw.Connection, index: apsw.Connection) -> None:
    """Write the words of every chunk into the empty index. REQUIRES: an open transaction of `index`."""
    found: list[Row]
    last = -1
    while found := rows.execute(_AFTER, (last, CHUNKS_A_RUN)).fetchall():
        index.executemany(_ADD, map(_entry, found))
        last = int(found[-1][0])


def _remove_tables(connection: apsw.Connection) -> None:
    connection.execute("DROP TABLE IF EXISTS keyword_counts")
    connection.execute("DROP TABLE IF EXISTS keywords")


def _forget_tables(connection: apsw.Connection) -> None:
    """Take tables out of the schema that are too damaged to be removed; their pages stay behind, unused."""
    connection.pragma("writable_schema", True)
    try:
        connection.execute("DELETE FROM sqlite_schema WHERE tbl_name = 'keywords' OR tbl_name GLOB 'keywords_*'")
        connection.execute("DELETE FROM sqlite_schema WHERE tbl_name = 'keyword_counts'")
    finally:
        connection.pragma("writable_schema", "reset")


def _entry(row: Row) -> tuple[int, str, str]:
    slot, title, text = row
    return slot, folded(_text(title)), folded(_text(text))


def _text(stored: bytes | None) -> str:
    """Return the text; of a damaged row what can be read, because its chunk is masked anyway."""
    return (stored or b"").decode(errors="replace")


def _ranges(slots: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the (first, last) of the runs of slots that follow each other, at most `CHUNKS_A_RUN` long."""
    first = last = None
    for slot in slots:
        if first is None or last is None or slot != last + 1 or slot - first >= CHUNKS_A_RUN:
            if first is not None and last is not None:
                yield first, last
            first = slot
        last = slot
    if first is not None and last is not None:
        yield first, last
