"""The tables of library.db and catalog.db, and how older formats become the current one. docs/formats/."""

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from pergamum.errors import Damaged, NewerFormat


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of database. Its format is kept as user_version: step n of `steps` makes format n of format n - 1."""

    application_id: int
    steps: Sequence[str]

    @property
    def version(self) -> int:
        """The format this release writes."""
        return len(self.steps)

    def create(self, connection: apsw.Connection) -> None:
        """Make the tables in an empty database."""
        connection.pragma("application_id", self.application_id)
        self._take_steps(connection, 0)

    def upgrade(self, connection: apsw.Connection, what: str) -> None:
        """Bring an older format up to date in one transaction. Raises `NewerFormat`, `Damaged`."""
        if connection.pragma("application_id") != self.application_id:
            raise Damaged(what, "this is not the database it should be")
        found = int(connection.pragma("user_version"))
        if found > self.version:
            raise NewerFormat(what, found, self.version)
        if found < self.version:
            self._take_steps(connection, found)

    def _take_steps(self, connection: apsw.Connection, found: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in self.steps[found:]:
                connection.execute(step)
            connection.pragma("user_version", self.version)
            connection.execute("COMMIT")
        except apsw.Error:
            if connection.in_transaction:  # after some failures SQLite has rolled back by itself
                connection.execute("ROLLBACK")
            raise


# Wide columns come last, so that the others are read without walking the overflow pages of a long text.
_LIBRARY_1 = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    history TEXT NOT NULL,
    next_slot INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    library TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    next_chunk_index INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    title TEXT,
    author TEXT,
    document_type TEXT,
    source_url TEXT,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    text TEXT
) STRICT;
CREATE TABLE chunks (
    slot INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    document INTEGER NOT NULL,
    chunk_index INTEGER NOT NULL,
    page_number INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    vector_crc INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX chunks_of_document ON chunks (document, chunk_index);
CREATE TABLE dead_slots (slot INTEGER PRIMARY KEY) STRICT;
CREATE TABLE snapshot (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    folder TEXT NOT NULL,
    position INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    manifest_crc INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
"""

_LIBRARY_2 = """
CREATE TABLE pending (slot INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
"""

# `changed` is the position of the first command of the group that last wrote the row, 0 where an older release did.
_LIBRARY_3 = """
ALTER TABLE documents ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX changed_documents ON documents (changed);
CREATE INDEX rewritten_chunks ON chunks (changed) WHERE version > 1;
"""

# Our own words, so `ascii` only splits them at spaces; no copy of the text, which `chunks` has.
KEYWORDS = """
CREATE VIRTUAL TABLE keywords USING fts5(title, text, content='', contentless_delete=1, tokenize='ascii', detail=full);
CREATE VIRTUAL TABLE keyword_counts USING fts5vocab(keywords, row);
"""
# `made_of` says by which law words are cut; `sound` 0 that the index is to be made again from the rows.
_LIBRARY_4 = (
    KEYWORDS
    + """
CREATE TABLE keyword_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    made_of TEXT NOT NULL,
    sound INTEGER NOT NULL
) STRICT;
INSERT INTO keyword_state (one, made_of, sound) VALUES (1, '', 0);
"""
)

# In the order of `number`, which is about that of `at`, the oldest are forgotten: no index on time is written for it.
_REPLIES = """
CREATE TABLE replies (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    at INTEGER NOT NULL,
    reply_crc INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    reply BLOB NOT NULL
) STRICT;
"""

_CATALOG_1 = """
CREATE TABLE libraries (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    tombstone INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE names (
    name TEXT PRIMARY KEY,
    library TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX names_of_library ON names (library);
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

LIBRARY = Schema(0x5065_724C, (_LIBRARY_1, _LIBRARY_2, _LIBRARY_3, _LIBRARY_4, _REPLIES))
CATALOG = Schema(0x5065_7243, (_CATALOG_1, _REPLIES))
