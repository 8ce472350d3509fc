"""`search`, `libraries`, `version` and the help, against a server."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pergamum.client import Pergamum
from tests.cli.conftest import Shell

COMMANDS = ["serve", "import", "generate", "search", "libraries", "doctor", "demo", "version"]


@pytest.fixture
def points(client: Pergamum, name: str) -> str:
    """The name of a library with two vectors, one of them in a document with a title."""
    library = client.libraries.create(name=name, metric="l2", dimension=2)
    library.documents.add(id="near", title="Near [home]", chunks=[{"text": "here", "embedding": [0, 0]}])
    library.documents.add(id="far", chunks=[{"text": "there", "embedding": [9, 9]}])
    return name


def test_hits_are_shown_with_the_titles_of_their_documents(shell: Shell, points: str, tmp_path: Path) -> None:
    vector = tmp_path / "v.json"
    vector.write_text("[1, 1]")

    done = shell("search", points, "--vector-file", vector)

    assert done.code == 0, done.err
    assert "Near [home]" in done.out
    assert done.out.index("here") < done.out.index("there")


def test_hits_as_json_are_the_answer_of_the_server(shell: Shell, points: str, tmp_path: Path) -> None:
    vector = tmp_path / "v.npy"
    np.save(vector, np.array([8, 8], np.float32))

    done = shell("search", points, "--vector-file", vector, "-k", "1", "--json")

    assert [hit["document_id"] for hit in done.json["hits"]] == ["far"]
    assert done.json["exact"] is True


def test_an_empty_library_says_so(shell: Shell, client: Pergamum, name: str) -> None:
    client.libraries.create(name=name)

    assert "nothing found" in shell("search", name, "anything").out


@pytest.mark.parametrize("content", ["not a vector", '{"a": 1}', ""])
def test_a_file_without_a_vector_is_refused(shell: Shell, points: str, tmp_path: Path, content: str) -> None:
    vector = tmp_path / "v.json"
    vector.write_text(content)

    done = shell("search", points, "--vector-file", vector)

    assert done.code == 2
    assert "holds no vector" in done.err


def test_a_search_wants_a_text_or_a_vector(shell: Shell, points: str) -> None:
    assert shell("search", points).code == 2


def test_what_the_server_refuses_is_told_with_exit_code_1(shell: Shell, points: str) -> None:
    no_model, missing = shell("search", points, "some text"), shell("search", "no such library", "text")

    assert (no_model.code, missing.code) == (1, 1)
    assert "vector" in no_model.err
    assert "no such library" in missing.err
    assert missing.out == ""


def test_libraries_are_created_listed_shown_and_deleted(shell: Shell, name: str) -> None:
    created = shell(
        "libraries", "create", name, "--dimension", "3", "--metric", "dot", "--description", "mine", "--json"
    )
    assert created.json.items() >= {"name": name, "dimension": 3, "metric": "dot", "embedding_model": None}.items()
    assert name in [library["name"] for library in shell("libraries", "list", "--json").json]
    assert name in shell("libraries", "list").out
    assert shell("libraries", "show", name, "--json").json["id"] == created.json["id"]
    assert "mine" in shell("libraries", "show", name).out

    assert shell("libraries", "delete", name, input="n\n").code == 1
    assert shell("libraries", "show", name).code == 0
    assert shell("libraries", "delete", name, "--yes", "--json").json["name"] == name
    assert shell("libraries", "show", name).code == 1


def test_a_library_may_have_no_model_and_no_dimension_yet(shell: Shell, name: str) -> None:
    created = shell("libraries", "create", name, "--model", "none", "--json").json

    assert (created["embedding_model"], created["dimension"]) == (None, None)


@pytest.mark.parametrize("command", [["libraries", "list"], ["search", "x", "y"], ["libraries", "show", "x"]])
def test_a_server_that_is_not_there_is_exit_code_3(shell: Shell, command: list[str]) -> None:
    done = shell(*command, "--url", "http://127.0.0.1:9")

    assert (done.code, done.out) == (3, "")
    assert "pergamum serve" in done.err


def test_a_wrong_url_is_exit_code_2(shell: Shell) -> None:
    assert shell("libraries", "list", "--url", "localhost:8000").code == 2


def test_the_version_is_printed(shell: Shell) -> None:
    assert shell("version").out.startswith("pergamum ")
    assert set(shell("version", "--json").json) == {"pergamum", "python"}


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_every_command_has_help(shell: Shell, command: list[str]) -> None:
    done = shell(*command, "--help")

    assert done.code == 0
    assert "Usage" in done.out


def test_help_loads_nothing_heavy() -> None:
    program = "import json, sys, pergamum.cli.main; print(json.dumps(sorted(sys.modules)))"

    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)

    heavy = {"fastapi", "httpx", "numba", "numpy", "polars", "pydantic", "uvicorn"}
    assert heavy & set(loaded) == set()
