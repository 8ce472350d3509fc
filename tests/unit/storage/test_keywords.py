"""The full-text tables: FTS5 keeps our words as they are, damage costs no write, and the rows can make them again."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from pergamum.domain.keywords import read_keywords
from pergamum.domain.words import folded
from pergamum.errors import KeywordsDamaged
from pergamum.storage.base import LibraryStore
from pergamum.storage.sqlite.schema import KEYWORDS
from pergamum.storage.sqlite.storage import SqliteStorage
from pergamum.storage.sqlite.verify import Care, Severity, verify_data_folder
from tests.support.keywords import Damage, database, faults, torn_page
from tests.support.storage import NOW, document, library, save, stored

LIBRARY = library()
CHUNKS = 60


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one library of 60 chunks."""
    storage = SqliteStorage(tmp_path / "data")
    storage.create(LIBRARY)
    storage.catalog.add(LIBRARY.id, LIBRARY.name, NOW)
    store = storage.open(LIBRARY.id)
    for first in range(0, CHUNKS, 20):
        chunks = [stored(slot, text=f"the word{slot} of {slot % 7}") for slot in range(first, first + 20)]
        save(store, *chunks, documents=(document(title="some title"),))
    store.close()
    storage.close()
    return tmp_path / "data"


def sql(statement: str) -> Damage:
    def change(data: Path) -> None:
        with closing(apsw.Connection(str(database(data)))) as connection:
            connection.execute(statement)

    return change


def found(store: LibraryStore, text: str) -> list[int]:
    with store.reading() as rows:
        return [slot for slot, _ in rows.keyword_hits(read_keywords(text), 1.0)]


DAMAGES = {
    "a torn segment": sql("UPDATE keywords_data SET block = zeroblob(length(block)) WHERE id > 10"),
    "a lost segment": sql("DELETE FROM keywords_data WHERE id > 10"),
    "a spoilt structure": sql("UPDATE keywords_data SET block = x'ffffffffffff' WHERE id = 10"),
    "spoilt sums": sql("UPDATE keywords_data SET block = x'7f7f7f' WHERE id = 1"),
    "spoilt sizes": sql("UPDATE keywords_docsize SET sz = x'ff'"),
    "a strange version": sql("UPDATE keywords_config SET v = 99"),
    **{f"a torn page of {table}": torn_page(f"keywords_{table}") for table in ("data", "idx", "docsize", "config")},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_loses_no_write_and_the_doctor_repairs_it(data: Path, damage: Damage) -> None:
    damage(data)
    assert "damage" in [finding.severity for finding in verify_data_folder(data) if "keyword index" in finding.what]

    storage = SqliteStorage(data)
    store = storage.open(LIBRARY.id)
    for slot in range(CHUNKS, CHUNKS + 12):
        _save_again_if_told_to(store, slot)
    with store.reading() as rows:
        assert len(rows.chunks(None, 1_000)) == CHUNKS + 12
    store.close()
    storage.close()
    repaired = list(verify_data_folder(data, Care(repair=True)))

    assert all(finding.severity is not Severity.DAMAGE for finding in repaired if "keyword index" in finding.what)
    assert faults(data) == []
    assert not [finding for finding in verify_data_folder(data) if "database main" in finding.detail]


def _save_again_if_told_to(store: LibraryStore, slot: int) -> None:
    try:
        save(store, stored(slot, text=f"new word{slot}"), documents=(document(title=f"title {slot}"),))
    except KeywordsDamaged:
        save(store, stored(slot, text=f"new word{slot}"), documents=(document(title=f"title {slot}"),))


def test_a_search_of_a_damaged_index_says_so_and_the_next_opening_makes_it_again(data: Path) -> None:
    torn_page("keywords_data")(data)
    storage = SqliteStorage(data)
    store = storage.open(LIBRARY.id)

    with pytest.raises(KeywordsDamaged):
        found(store, "word7")
    with store.reading() as rows, pytest.raises(KeywordsDamaged):
        rows.slots_matching("word7")
    with pytest.raises(KeywordsDamaged):  # nothing was kept, and the index is left alone from now on
        save(store, stored(CHUNKS))
    save(store, stored(CHUNKS, text="word7 again"))
    with pytest.raises(KeywordsDamaged, match="next opening"):
        found(store, "word7")
    store.close()
    store = storage.open(LIBRARY.id)

    assert sorted(found(store, "word7")) == [7, CHUNKS]
    store.close()
    storage.close()


def test_damage_met_by_a_filter_inside_a_write_leaves_the_store_writable(data: Path) -> None:
    torn_page("keywords_data")(data)
    storage = SqliteStorage(data)
    store = storage.open(LIBRARY.id)

    with pytest.raises(KeywordsDamaged), store.writing() as work:
        work.rows.slots_matching("word7")

    assert store.failure is None
    save(store, stored(CHUNKS))
    store.close()
    storage.close()


def test_a_library_whose_words_were_cut_by_another_law_is_made_again(data: Path) -> None:
    sql("UPDATE keyword_state SET made_of = '0, Unicode 1.0'")(data)
    sql("DELETE FROM keywords WHERE rowid = 3")(data)
    assert [f.severity for f in verify_data_folder(data) if "keyword index" in f.what] == [Severity.WARNING]

    storage = SqliteStorage(data)
    storage.open(LIBRARY.id).close()
    storage.close()

    assert faults(data) == []


def test_the_index_of_a_library_that_was_emptied_is_right(data: Path) -> None:
    storage = SqliteStorage(data)
    store = storage.open(LIBRARY.id)
    with store.writing() as work:
        work.rows.remove_chunks(work.rows.chunks(None, 1_000))
        work.commit()
    store.close()
    storage.close()

    assert faults(data) == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM keywords WHERE rowid = 3",
        "INSERT INTO keywords (rowid, title, text) VALUES (999, '', '')",
        "REPLACE INTO keywords (rowid, title, text) VALUES (3, 'some title', 'the word3 of 2')",
        "REPLACE INTO keywords (rowid, title, text) VALUES (3, 'some title', 'word3 the of 3')",
    ],
)
def test_an_index_that_is_sound_and_not_of_these_rows_is_found(data: Path, change: str) -> None:
    sql(change)(data)

    assert len(faults(data)) == 1


def test_the_tokens_of_fts5_are_our_words() -> None:
    characters = [chr(code) for code in range(0, 0x11_0000, 3) if not 0xD800 <= code < 0xE000]
    texts = [folded(" ".join(characters[at : at + 2_000])) for at in range(0, len(characters), 2_000)]
    texts.append(folded("x" * 600 + " " + "é" * 600 + " Ａ\0b"))
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute(KEYWORDS)
        connection.executemany("INSERT INTO keywords (title, text) VALUES ('', ?)", ((text,) for text in texts))

        tokens = [row[0] for row in connection.execute("SELECT term FROM keyword_counts")]

    assert sorted(set(" ".join(texts).split())) == sorted(tokens)
