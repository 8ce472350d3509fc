"""A damaged keyword index costs no write and no search by vector."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pergamum.domain.keywords import read_keywords
from pergamum.engine.live_library import LiveLibrary
from pergamum.errors import KeywordsDamaged
from pergamum.storage.sqlite.storage import SqliteStorage
from tests.support.keywords import torn_page
from tests.support.library import a_chunk, a_library, put, vector


def words_found(live: LiveLibrary, text: str) -> list[int]:
    with live.reading() as rows:
        return [slot for slot, _ in rows.keyword_hits(read_keywords(text), 1.0)]


def test_a_write_that_meets_a_damaged_keyword_index_is_kept(tmp_path: Path) -> None:
    library = replace(a_library(), name="torn")
    storage = SqliteStorage(tmp_path / "data")
    storage.create(library)
    live = LiveLibrary(storage.open(library.id), lambda _: None)
    live.write([put("a", [a_chunk("a", "a", vector(1, 0), "moon")])])
    live.close()
    torn_page("keywords_data")(tmp_path / "data")
    live = LiveLibrary(storage.open(library.id), lambda _: None)

    (outcome,) = live.write([put("b", [a_chunk("b", "b", vector(0, 1), "moon")])])

    assert (outcome.refusal, outcome.position) == (None, 2)
    assert [hit.chunk.id for hit in live.search(np.array([[0, 1]], np.float32), 2)[0].hits] == ["b", "a"]
    with pytest.raises(KeywordsDamaged):
        words_found(live, "moon")
    live.close()
    live = LiveLibrary(storage.open(library.id), lambda _: None)
    assert words_found(live, "moon") == [0, 1]
    live.close()
    storage.close()
