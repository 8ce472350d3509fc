"""Databases of older formats are brought up to date when they are opened, and lose nothing."""

from pathlib import Path

import apsw

from pergamum.domain.replies import KeptReply, Key
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.storage import NOW, document, library, save, stored

LIBRARY = library()
REPLY = KeptReply(Key("key", "0" * 64), NOW, b"reply")


def older(database: Path, version: int) -> None:
    with apsw.Connection(str(database)) as connection:
        connection.execute(f"DROP TABLE replies; PRAGMA user_version = {version}")


def test_databases_from_before_replies_were_kept_get_room_for_them(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    storage.create(LIBRARY)
    storage.catalog.add(LIBRARY.id, LIBRARY.name, NOW)
    store = storage.open(LIBRARY.id)
    save(store, stored(0))
    store.close()
    storage.close()
    older(tmp_path / "catalog.db", 1)
    older(tmp_path / "libraries" / str(LIBRARY.id) / "g000001" / "library.db", 4)

    again = SqliteStorage(tmp_path)
    store = again.open(LIBRARY.id)
    with store.writing() as work:
        work.rows.keep_reply(REPLY)
        work.commit()
    again.catalog.keep_reply(REPLY)

    with store.reading() as rows:
        assert (rows.document("d"), rows.chunk("c0"), rows.reply("key")) == (document(), stored(0), REPLY)
    assert (again.catalog.libraries(), again.catalog.reply("key")) == ({LIBRARY.id}, REPLY)
    store.close()
    again.close()
