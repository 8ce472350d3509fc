"""`pergamum generate` writes what the package makes: into a server, into files, on stdout."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pergamum.client import F, Pergamum, decoded
from pergamum.synthetic import SCHEMA, Recipe, documents, queries
from tests.cli.conftest import Shell

SMALL = ("--dimension", "16", "--clusters", "5")
RECIPE = Recipe(dimension=16, clusters=5)


def test_a_library_is_made_with_schema_vectors_and_texts(shell: Shell, client: Pergamum, name: str) -> None:
    done = shell("generate", "--library", name, "--chunks", "500", *SMALL, "--json")

    assert done.code == 0, done.err
    made = list(documents(RECIPE, 500))
    assert done.json.items() >= {"place": name, "chunks": 500, "documents": len(made)}.items()
    info = client.libraries.get(name).info()
    assert (info.chunks, info.documents, info.dimension, info.metric) == (500, len(made), 16, "cosine")
    assert set(client.library(name).schema.get().documents) == set(SCHEMA["documents"])


def test_the_server_returns_what_was_made(shell: Shell, client: Pergamum, name: str) -> None:
    shell("generate", "--library", name, "--chunks", "300", *SMALL)
    library = client.library(name)

    for document in list(documents(RECIPE, 300))[::20]:
        stored = library.documents.get(str(document["id"]))
        assert (stored.title, stored.metadata) == (document["title"], document["metadata"])
        for chunk in document["chunks"] or ():
            found = library.chunks.get(str(chunk["id"]), embedding=True)
            assert (found.text, found.page_number) == (chunk["text"], chunk["page_number"])
            assert found.embedding is not None
            np.testing.assert_allclose(decoded(found.embedding), np.asarray(chunk["embedding"]), atol=1e-6)


def test_a_repetition_replaces_and_more_chunks_go_on(shell: Shell, client: Pergamum, name: str) -> None:
    for chunks in ("200", "200", "320"):
        assert shell("generate", "-l", name, "-n", chunks, *SMALL).code == 0

    assert client.libraries.get(name).info().chunks == 320


def test_filters_words_and_vectors_find_the_topic_of_a_query(shell: Shell, client: Pergamum, name: str) -> None:
    shell("generate", "--library", name, "--chunks", "2000", *SMALL)
    library = client.library(name)
    query = next(query for query in queries(RECIPE, 100) if query["topic"] == 1)

    def topics(**how: object) -> set[object]:
        answer = library.search(k=5, select=["document.metadata"], **how)  # type: ignore[arg-type]  # one of three ways
        return {((hit.document and hit.document.metadata) or {})["topic"] for hit in answer.hits}

    assert topics(vector=query["vector"]) == {1}
    assert topics(text=query["text"], mode="keyword") == {1}
    assert topics(vector=query["vector"], filter=F.topic == 3) == {3}
    made = list(documents(RECIPE, 2_000))
    assert library.documents.count(F.in_stock == False) == sum(  # noqa: E712  # makes a filter
        document["metadata"]["in_stock"] is False for document in made
    )
    assert library.documents.count(F.location.is_null()) == sum("location" not in one["metadata"] for one in made)


def test_texts_alone_are_embedded_by_the_model(shell: Shell, client: Pergamum, name: str) -> None:
    shell("generate", "--library", name, "--chunks", "40", "--vectors", "none")

    info = client.libraries.get(name).info()
    assert (info.embedding_model, info.chunks) == ("local", 40)


def test_other_metrics_keep_the_lengths_of_vectors(shell: Shell, client: Pergamum, name: str) -> None:
    shell("generate", "--library", name, "--chunks", "40", "--metric", "l2", *SMALL)

    library = client.libraries.get(name)
    assert library.info().metric == "l2"
    lengths = [float(np.linalg.norm(decoded(chunk.embedding or []))) for chunk in library.chunks.list(embedding=True)]
    assert np.ptp(lengths) > 0.1


def test_a_library_that_cannot_hold_them_is_left_as_it_is(shell: Shell, client: Pergamum, name: str) -> None:
    client.libraries.create(name=name, dimension=3)

    done = shell("generate", "--library", name, "--chunks", "40", *SMALL)

    assert done.code == 1
    assert "the same command" in done.err
    assert client.libraries.get(name).info().chunks == 0


@pytest.mark.parametrize("vectors", ["base64", "list"])
def test_a_file_has_a_document_on_each_line(shell: Shell, tmp_path: Path, vectors: str) -> None:
    path = tmp_path / "made.jsonl"

    done = shell("generate", "--output", path, "--chunks", "100", "--vectors", vectors, *SMALL)

    assert "100 chunks in" in done.out
    lines = list(map(json.loads, path.read_text().splitlines()))
    for line, document in zip(lines, documents(RECIPE, 100), strict=True):
        assert line["metadata"] == document["metadata"]
        for written, chunk in zip(line["chunks"], document["chunks"] or (), strict=True):
            np.testing.assert_array_equal(decoded(written["embedding"]), np.asarray(chunk["embedding"]))


def test_a_file_is_imported_as_it_is(shell: Shell, client: Pergamum, tmp_path: Path, name: str) -> None:
    path = tmp_path / "made.jsonl.gz"
    shell("generate", "--output", path, "--chunks", "100", *SMALL)

    done = shell("import", path, "--library", name, "--create", "--model", "none")

    assert done.code == 0, done.err
    assert client.libraries.get(name).info().chunks == 100


def test_packed_files_are_the_same_byte_by_byte(shell: Shell, tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"]
    for path in paths:
        shell("generate", "--output", path, "--chunks", "50", "--seed", "6", *SMALL)

    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert json.loads(gzip.decompress(paths[0].read_bytes()).splitlines()[0])["id"] == "6-00000000"


def test_stdout_has_documents_alone(shell: Shell) -> None:
    done = shell("generate", "--output", "-", "--chunks", "9", "--vectors", "none", "--json")

    assert sum(len(json.loads(line)["chunks"]) for line in done.out.splitlines()) == 9
    assert "9 chunks" in done.err


def test_whoever_reads_stdout_may_stop_early() -> None:
    command = [sys.executable, "-m", "pergamum", "generate", "-o", "-", "-n", "1000000", "-d", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()

    assert json.loads(first)["id"] == "0-00000000"
    assert told == b""


def test_queries_are_written_on_request(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"

    done = shell("generate", "--queries-output", path, "--queries", "12", *SMALL)

    assert (done.code, done.out) == (0, "")
    for line, query in zip(path.read_text().splitlines(), queries(RECIPE, 12), strict=True):
        written = json.loads(line)
        assert (written["id"], written["topic"], written["text"]) == (query["id"], query["topic"], query["text"])
        np.testing.assert_array_equal(decoded(written["vector"]), query["vector"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--output FILE"),
        (["--library", "x", "--output", "y"], "either --library or --output"),
        (["--output", "-", "--queries-output", "-"], "both go to stdout"),
        (["--output", "-", "--chunks", "0"], "--chunks"),
        (["--output", "-", "--dimension", "0"], "dimension is 0"),
        (["--output", "-", "--missing", "1.5"], "missing is 1.5"),
        (["--output", "-", "--spread", "nan"], "spread is nan"),
        (["--output", "-", "--vectors", "npy"], "--vectors"),
    ],
)
def test_wrong_usage_is_exit_code_2(shell: Shell, arguments: list[str], reason: str) -> None:
    done = shell("generate", *arguments)

    assert (done.code, done.out) == (2, "")
    assert reason in done.err


def test_a_file_that_cannot_be_written_is_exit_code_1(shell: Shell, tmp_path: Path) -> None:
    done = shell("generate", "--output", tmp_path / "missing" / "file.jsonl")

    assert done.code == 1
    assert "cannot write" in done.err


def test_a_server_that_is_not_there_is_exit_code_3(shell: Shell) -> None:
    assert shell("generate", "--library", "x", "--url", "http://127.0.0.1:9").code == 3
