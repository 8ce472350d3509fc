"""The engine inside the client's process: the same answers, no server."""

import asyncio
import logging
from pathlib import Path

import pytest

from pergamum.client import AsyncPergamum, ChunkOfDocument, F, NotFound, Pergamum, Unreachable
from pergamum.client.local import _passing_folder


def test_a_folder_keeps_what_was_stored(tmp_path: Path) -> None:
    with Pergamum.local(tmp_path / "data") as client:
        library = client.libraries.create(name="notes")
        library.documents.add(id="1", text="The moon pulls the sea.", metadata={"year": 1687})

    with Pergamum.local(tmp_path / "data") as client:
        found = client.library("notes").search(text="what moves the ocean?", filter=F.year == 1687)

    assert [hit.text for hit in found.hits] == ["The moon pulls the sea."]


def test_without_a_path_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pergamum.client.local.MEMORY", tmp_path)

    with Pergamum.local() as client:
        client.libraries.create(name="notes")
        kept_meanwhile = list(tmp_path.iterdir())

    assert kept_meanwhile
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_opened_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pergamum.client.local.MEMORY", tmp_path)
    monkeypatch.setenv("PERGAMUM_MAX_OPEN_LIBRARIES", "none at all")

    with pytest.raises(ValueError, match="max_open_libraries"):
        Pergamum.local()

    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_memory_to_keep_files_in_the_usual_place_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pergamum.client.local.MEMORY", tmp_path / "absent")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert _passing_folder().parent == tmp_path


def test_a_folder_in_use_cannot_be_opened_twice(tmp_path: Path) -> None:
    with Pergamum.local(tmp_path), pytest.raises(Unreachable, match=str(tmp_path)):
        Pergamum.local(tmp_path)


def test_closing_twice_is_harmless_and_a_closed_client_says_so(tmp_path: Path) -> None:
    client = Pergamum.local(tmp_path)
    client.close()
    client.close()

    with pytest.raises(Unreachable, match="closed"):
        client.libraries.list().to_list()


def test_problems_are_those_of_a_server() -> None:
    with Pergamum.local() as client, pytest.raises(NotFound) as refused:
        client.libraries.get("nowhere")

    assert (refused.value.status, refused.value.code) == (404, "library-not-found")


def test_the_logging_of_the_program_is_left_alone(tmp_path: Path) -> None:
    before = (logging.getLogger().level, list(logging.getLogger().handlers))

    with Pergamum.local(tmp_path):
        during = (logging.getLogger().level, list(logging.getLogger().handlers))

    assert during == before


def test_asynchronous_programs_share_it_between_tasks() -> None:
    async def program() -> list[str]:
        async with AsyncPergamum.local() as client:
            library = await client.libraries.create(name="notes", dimension=2, metric="l2")
            vectors = [[float(number), 0.0] for number in range(20)]
            chunks = [ChunkOfDocument(text=str(number), embedding=vector) for number, vector in enumerate(vectors)]
            await asyncio.gather(*(library.documents.add(chunks=[chunk]) for chunk in chunks))
            found = await asyncio.gather(*(library.search(vector=vector, k=1) for vector in vectors))
            assert len([document async for document in library.documents.list(page_size=7)]) == 20
        return [answer.hits[0].text for answer in found]

    assert asyncio.run(program()) == [str(number) for number in range(20)]
