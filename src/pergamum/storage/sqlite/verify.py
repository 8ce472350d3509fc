"""The doctor's look at a data folder: every row, every vector, every count, compared with every other.

The folder must not be in use. Opening settles logs as a start does; besides that nothing is changed, unless a broken
index snapshot is to be removed: it is a copy, which the next start makes again; or a broken keyword index is to be made
again from the rows.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias
from zlib import crc32

import apsw

from pergamum.domain.document import Document
from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk
from pergamum.storage.sqlite.codec import Row, checksum, document_of, reply_of
from pergamum.storage.sqlite.connection import check_sqlite, open_writer
from pergamum.storage.sqlite.data_folder import DataFolder, current_generation
from pergamum.storage.sqlite.keyword_check import keyword_fault
from pergamum.storage.sqlite.keywords import fill, is_sound
from pergamum.storage.sqlite.library_store import DATABASE, INDEX, VECTORS
from pergamum.storage.sqlite.replies import REPLIES
from pergamum.storage.sqlite.rows import DOCUMENT, SqliteRows
from pergamum.storage.sqlite.schema import CATALOG, LIBRARY
from pergamum.storage.sqlite.writable_rows import SqliteWritableRows
from pergamum.storage.vectors import VectorFile

MANIFEST: Final = "manifest.json"
_SLOTS: Final = "SELECT slot FROM chunks UNION ALL SELECT slot FROM dead_slots UNION ALL SELECT slot FROM pending"
_CATALOG_ROWS: Final = (
    "SELECT id, created_at, tombstone, checksum FROM libraries",
    "SELECT name, library, checksum FROM names",
    "SELECT id, operation, checksum FROM operations",
)


class Severity(StrEnum):
    """`damage` loses data or answers; `warning` costs space or time only; `repaired` was broken until now."""

    DAMAGE = "damage"
    WARNING = "warning"
    REPAIRED = "repaired"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: how bad, with what, and how it shows."""

    severity: Severity
    what: str
    detail: str


LookInside: TypeAlias = Callable[[IndexSnapshot, Path], Iterable[Finding]]
"""Says what is wrong inside an index snapshot, whose manifest is sound; the path is that of the folder index/."""


def _nowhere(_snapshot: IndexSnapshot, _index: Path) -> Iterable[Finding]:
    return ()


@dataclass(frozen=True, slots=True)
class Care:
    """How far the doctor goes: what looks inside index snapshots, and whether broken ones are removed."""

    look_inside: LookInside = _nowhere
    repair: bool = False


def verify_data_folder(path: Path, care: Care = Care()) -> Iterator[Finding]:
    """Yield what is wrong with the data folder and every library in it. Raises `DataFolderInUse`, `UnsafeSqlite`."""
    check_sqlite()
    if not path.is_dir():
        yield _damage(str(path), "there is no such folder")
        return
    with closing(DataFolder(path)) as folder:
        listed = yield from _verify_catalog(folder.catalog)
        stored = {str(library_id) for library_id in folder.library_ids()}
        for library_id in sorted(listed - stored):
            yield _damage(str(folder.libraries / library_id), "the library is listed and its folder is missing")
        for library_id in sorted(stored - listed):
            yield _warning(str(folder.libraries / library_id), "the catalogue does not list this library")
        for library_id in sorted(stored):
            yield from verify_library(folder.libraries / library_id, care)


def verify_library(folder: Path, care: Care = Care()) -> Iterator[Finding]:
    """Yield what is wrong with one library that nobody has open."""
    try:
        generation = current_generation(folder)
        connection = open_writer(generation / DATABASE, LIBRARY)
    except Damaged as error:
        yield _found(error)
        return
    with closing(connection):
        yield from _verify_keywords(connection, str(generation / DATABASE), care)
        yield from _verify_pages(connection, str(generation / DATABASE))
        try:
            yield from _verify_rows(connection, generation)
            yield from _verify_replies(connection, str(generation / DATABASE))
            yield from _verify_snapshot(connection, generation, care)
        except (apsw.Error, Damaged) as error:
            yield _damage(str(generation / DATABASE), f"cannot be read to its end: {error}")


def _verify_keywords(connection: apsw.Connection, database: str, care: Care) -> Iterator[Finding]:
    """Yield what is wrong with the keyword index; with `care.repair` it is made again from the rows."""
    what = f"{database}, the keyword index"
    try:
        sound = is_sound(connection)
        fault = keyword_fault(connection) if sound else "marked as unsound; the next start makes it from the rows"
        if fault is not None and care.repair:
            fill(connection)
    except apsw.Error as error:
        yield _damage(what, f"cannot be compared with the rows: {error}")
        return
    if fault is not None and care.repair:
        yield Finding(Severity.REPAIRED, what, f"{fault}; made again")
    elif fault is not None:
        yield _damage(what, fault) if sound else _warning(what, fault)


def _verify_catalog(path: Path) -> Generator[Finding, None, set[str]]:
    """Yield what is wrong with the catalogue; return the ids of the libraries it lists."""
    try:
        connection = open_writer(path, CATALOG)
    except Damaged as error:
        yield _found(error)
        return set()
    with closing(connection):
        yield from _verify_pages(connection, str(path))
        for sql in _CATALOG_ROWS:
            yield from _verify_catalog_rows(connection, sql, str(path))
        yield from _verify_replies(connection, str(path))
        return {row[0] for row in connection.execute("SELECT id FROM libraries WHERE tombstone = 0")}


def _verify_catalog_rows(connection: apsw.Connection, sql: str, what: str) -> Iterator[Finding]:
    try:
        for row in connection.execute(sql):
            if checksum(row[:-1]) != row[-1]:
                yield _damage(f"{what}, {row[0]!r}", "the row does not match its checksum")
    except (apsw.Error, UnicodeDecodeError) as error:
        yield _damage(what, f"cannot be read to its end: {error}")


def _verify_replies(connection: apsw.Connection, what: str) -> Iterator[Finding]:
    """Yield the kept replies that do not match their checksums: requests with their keys are refused."""
    try:
        for row in connection.execute(REPLIES):
            try:
                reply_of(row)
            except Damaged as error:
                yield _damage(what, str(error))
    except (apsw.Error, UnicodeDecodeError) as error:
        yield _damage(what, f"cannot be read to its end: {error}")


def _verify_pages(connection: apsw.Connection, what: str) -> Iterator[Finding]:
    try:
        lines = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    except apsw.Error as error:
        lines = [str(error)]
    # What is wrong within the keyword index has been found already, more exactly.
    yield from (_damage(what, line) for line in lines if line != "ok" and "FTS5" not in line)


def _verify_rows(connection: apsw.Connection, generation: Path) -> Iterator[Finding]:
    database = str(generation / DATABASE)
    rows = SqliteRows(connection, database)
    state = rows.state()
    owners = yield from _verify_chunks(connection, rows, generation)
    yield from _verify_documents(connection, owners, database)
    yield from _verify_slots(connection, state, database)
    documents, chunks = _count(connection, "documents"), _count(connection, "chunks")
    if (documents, chunks) != (state.documents, state.chunks):
        counted, said = f"{documents} documents and {chunks} chunks", f"{state.documents} and {state.chunks}"
        yield _damage(database, f"there are {counted}, the state says {said}")


def _verify_chunks(
    connection: apsw.Connection, rows: SqliteRows, generation: Path
) -> Generator[Finding, None, Counter[int]]:
    """Yield the chunks whose row or vector does not match its checksum; return how many each document number has."""
    database, path = str(generation / DATABASE), generation / VECTORS
    owners: Counter[int] = Counter()
    with closing(VectorFile(path)) as vectors:
        matrix = vectors.matrix(0)
        for slot, document in connection.execute("SELECT slot, document FROM chunks ORDER BY slot"):
            owners[document] += 1
            try:
                stored = rows.chunks_at([slot])[slot]
            except Damaged as error:
                yield _damage(database, str(error))
                continue
            yield from _verify_vector(stored, matrix, _copy(connection, slot), str(path))
    return owners


def _verify_vector(stored: StoredChunk, matrix: Matrix, copy: bytes | None, path: str) -> Iterator[Finding]:
    """Yield when the vector is neither in its slot nor in `pending`, from where the next start would put it there."""
    what, chunk = f"{path}, slot {stored.slot}", f"chunk {stored.chunk.id!r}"
    if copy is not None and crc32(copy) == stored.vector_crc and matrix.shape[1]:
        return
    if stored.slot >= len(matrix) or crc32(matrix[stored.slot].data) != stored.vector_crc:
        yield _damage(what, f"the vector of {chunk} fails its checksum")
    elif copy is not None:
        yield _warning(what, f"the copy in `pending` of the vector of {chunk} is damaged; the next start removes it")


def _verify_documents(connection: apsw.Connection, owners: Counter[int], database: str) -> Iterator[Finding]:
    for (number,) in connection.execute("SELECT number FROM documents ORDER BY number"):
        try:
            document: Document = document_of(*connection.execute(DOCUMENT + "WHERE number = ?", (number,)).fetchall())
        except (Damaged, UnicodeDecodeError) as error:
            yield _damage(f"{database}, document number {number}", str(error))
            continue
        if document.chunks != owners[number]:
            yield _damage(
                f"{database}, document {document.id!r}", f"says {document.chunks} chunks, has {owners[number]}"
            )


def _verify_slots(connection: apsw.Connection, state: LibraryState, database: str) -> Iterator[Finding]:
    both = "SELECT count(*) FROM dead_slots WHERE slot IN (SELECT slot FROM chunks)"
    beyond = f"SELECT count(*) FROM ({_SLOTS}) WHERE slot >= ?"
    if found := _number(connection, both):
        yield _damage(database, f"{found} slots are marked dead and hold a chunk")
    if found := _number(connection, beyond, state.next_slot):
        yield _damage(database, f"{found} slots are at or beyond next_slot {state.next_slot}")
    known = _count(connection, "chunks") + _count(connection, "dead_slots")
    if known < state.next_slot:
        yield _warning(database, f"{state.next_slot - known} slots hold no chunk and are not marked dead")


def _verify_snapshot(connection: apsw.Connection, generation: Path, care: Care) -> Iterator[Finding]:
    snapshot, index = SqliteRows(connection, str(generation / DATABASE)).snapshot(), generation / INDEX
    named = None if snapshot is None else snapshot.folder
    for folder in sorted(index.iterdir()):
        if folder.name != named:
            yield _warning(str(folder), "no row names this index snapshot; the next start removes it")
    if snapshot is None:
        return
    found = list(_inside(snapshot, index, care))
    if not (found and care.repair):
        yield from found
        return
    SqliteWritableRows(connection, str(generation / DATABASE)).name_snapshot(None)
    shutil.rmtree(index / snapshot.folder, ignore_errors=True)
    for each in found:
        yield Finding(Severity.REPAIRED, each.what, f"{each.detail}; removed")


def _inside(snapshot: IndexSnapshot, index: Path, care: Care) -> Iterable[Finding]:
    manifest = index / snapshot.folder / MANIFEST
    if not manifest.exists() or crc32(manifest.read_bytes()) != snapshot.manifest_crc:
        return [_warning(str(manifest), "missing or damaged; the next start rebuilds the index from the rows")]
    return care.look_inside(snapshot, index)


def _copy(connection: apsw.Connection, slot: int) -> bytes | None:
    rows: list[Row] = connection.execute("SELECT vector FROM pending WHERE slot = ?", (slot,)).fetchall()
    return rows[0][0] if rows else None


def _count(connection: apsw.Connection, table: str) -> int:
    return _number(connection, f"SELECT count(*) FROM {table}")


def _number(connection: apsw.Connection, sql: str, *bindings: int) -> int:
    rows: list[Row] = connection.execute(sql, bindings).fetchall()
    return int(rows[0][0])


def _found(error: Damaged) -> Finding:
    return _damage(str(error.facts["what"]), str(error.facts["reason"]))


def _damage(what: str, detail: str) -> Finding:
    return Finding(Severity.DAMAGE, what, detail)


def _warning(what: str, detail: str) -> Finding:
    return Finding(Severity.WARNING, what, detail)
