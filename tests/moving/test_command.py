"""`pergamum import --from`: what it says, its exit codes, and that it goes on where it ended."""

import json
import tomllib
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, get_args

import faiss
import numpy as np
import pytest

from pergamum.cli import import_file, progress_bar
from pergamum.client import Interrupted, Library, Pergamum
from pergamum.client.sync.documents import Documents
from pergamum.moving import opening
from pergamum.wire.problems import ImportOut
from tests.cli.conftest import Shell
from tests.moving.sample import texts
from tests.support.source import ROOT

ROWS = 10


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An index of ten vectors, with a text for each."""
    lines = [json.dumps({"text": f"text {number}", "n": number}) for number in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    return written(tmp_path / "rows.faiss", [[number, 1.0] for number in range(ROWS)])


def written(path: Path, vectors: Sequence[Sequence[float]]) -> Path:
    index = faiss.IndexFlatL2(2)
    index.add(np.array(vectors, np.float32))
    faiss.write_index(index, str(path))
    return path


def interrupting(call: Callable[..., ImportOut], after: int) -> Callable[..., ImportOut]:
    """The call, except that the user presses Ctrl-C instead of the one that comes after so many."""
    calls = count()

    def interrupted(documents: Documents, batch: Sequence[bytes], **options: Any) -> ImportOut:  # noqa: ANN401
        if next(calls) == after:
            raise KeyboardInterrupt
        return call(documents, batch, **options)

    return interrupted


def test_a_move_says_what_it_did_and_does_it_once(place: Path, shell: Shell, client: Pergamum, name: str) -> None:
    command = ("import", place, "--from", "faiss", "--library", name)

    first, second, third = shell(*command), shell(*command), shell(*command, "--restart", "--json")

    assert (first.code, second.code, third.code) == (0, 0, 0)
    assert first.out.startswith(f"{place}: 10 rows moved into {name}, in ")
    assert second.out == f"{place}: 10 rows are in {name} already (--restart moves them again)\n"
    assert {"read": 10, "moved": 10, "left_out": 0, "resumed_after": 0, "findings": []}.items() <= third.json.items()
    library = client.libraries.get(name)
    assert (library.info().documents, texts(library)["7"]) == (ROWS, "text 7")


def test_rows_that_were_left_out_are_told_with_exit_code_1(
    place: Path, shell: Shell, client: Pergamum, name: str
) -> None:
    written(place, [[float("nan"), 1.0], [1.0, 1.0], [2.0, 1.0]])

    done = shell("import", place, "--from", "faiss", "--library", name)

    assert done.code == 1
    assert done.out.splitlines()[0].startswith(f"{place}: 2 rows moved into {name}, 1 left out, in ")
    assert done.out.splitlines()[1:] == [
        "rows left out:",
        "  1 have a vector with numbers that are not finite (0: number 0 of the vector is not a finite float32)",
    ]
    assert client.libraries.get(name).info().chunks == 2


def test_at_the_first_wrong_row_it_may_end(place: Path, shell: Shell, client: Pergamum, name: str) -> None:
    written(place, [[1.0, 1.0], [float("nan"), 1.0]])

    done = shell("import", place, "--from", "faiss", "--library", name, "--on-error", "abort", "--batch", "1")

    assert (done.code, done.out) == (1, "")
    assert "rows have a vector with numbers that are not finite (1: " in done.err
    assert "1 rows are done; the same command continues after them" in done.err
    assert client.libraries.get(name).info().chunks == 1


def test_a_dry_run_needs_no_server(place: Path, shell: Shell, name: str) -> None:
    command = ("import", place, "--from", "faiss", "--library", name, "--dry-run", "--url", "http://127.0.0.1:9")

    done, values = shell(*command), shell(*command, "--json")

    assert (done.code, done.out) == (0, f"{place}: 10 of 10 rows would come; nothing was written\n")
    assert {"moved": 10, "dry_run": True, "library": None}.items() <= values.json.items()


def test_an_interrupted_move_says_what_is_done_and_the_next_goes_on(
    place: Path, shell: Shell, client: Pergamum, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("import", place, "--from", "faiss", "--library", name, "--batch", "3", "--json")
    with monkeypatch.context() as patch:
        patch.setattr(Documents, "import_batch", interrupting(Documents.import_batch, after=2))
        first = shell(*command)

    second = shell(*command)

    assert (first.code, first.out) == (130, "")
    assert "interrupted: 6 rows are done" in first.err
    assert {"resumed_after": 6, "moved": 10, "done": True}.items() <= second.json.items()
    library = client.libraries.get(name)
    assert (library.info().documents, library.schema.get().mode) == (ROWS, "inferred")


def test_a_connection_that_breaks_says_what_is_done(
    place: Path, shell: Shell, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(documents: Documents, batch: Sequence[bytes], **options: Any) -> ImportOut:  # noqa: ANN401
        raise Interrupted("the connection broke")

    monkeypatch.setattr(Documents, "import_batch", broken)

    done = shell("import", place, "--from", "faiss", "--library", name)

    assert (done.code, done.out) == (1, "")
    assert "0 rows are done; the same command continues after them" in done.err
    assert "the connection broke" in done.err


def test_fields_of_several_types_are_told(place: Path, shell: Shell, name: str) -> None:
    lines = [{"text": "a", "n": 1}, *[{"text": "b", "n": "one"}] * (ROWS - 1)]
    place.with_suffix(".jsonl").write_text("\n".join(map(json.dumps, lines)))

    done = shell("import", place, "--from", "faiss", "--library", name)

    assert done.code == 0
    assert done.out.splitlines()[1:] == ["stored, but no filter sees them:", "  'n': 1 integer, 9 string"]


def test_a_source_that_grew_is_moved_again(place: Path, shell: Shell, client: Pergamum, name: str) -> None:
    command = ("import", place, "--from", "faiss", "--library", name)
    shell(*command)
    written(place, [[number, 1.0] for number in range(ROWS + 5)])

    done = shell(*command)

    assert f"15 rows moved into {name}" in done.out
    assert client.libraries.get(name).info().documents == ROWS + 5


def test_a_terminal_shows_the_rate(place: Path, shell: Shell, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "is_terminal", lambda: True)

    done = shell("import", place, "--from", "faiss", "--library", name)

    assert done.code == 0
    assert "rows/s" in done.err
    assert "100%" in done.err


@pytest.mark.parametrize("kind", ["chroma", "qdrant", "pgvector", "lancedb", "faiss"])
def test_a_missing_package_is_named(shell: Shell, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda _: None)

    done = shell("import", "place", "--from", kind, "--library", "x")

    assert (done.code, done.out) == (1, "")
    assert f'pip install "pergamum[from-{kind}]"' in done.err


def test_a_password_is_neither_told_nor_kept(shell: Shell, tmp_path: Path) -> None:
    done = shell("import", "postgresql://me:hunter2@127.0.0.1:9/x", "--from", "pgvector", "--library", "x")

    assert done.code == 1
    assert "postgresql://me:***@127.0.0.1:9/x" in done.err
    assert "hunter2" not in done.err + done.out
    assert [path for path in tmp_path.rglob("*") if "hunter2" in path.name] == []


def test_every_kind_has_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert get_args(import_file.Kind) == get_args(opening.Kind)
    assert {f"from-{kind}" for kind in get_args(opening.Kind)} <= project["optional-dependencies"].keys()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["none.faiss", "--from", "faiss"], 1, "there is no file 'none.faiss'"),
        (["rows.faiss", "--from", "milvus"], 2, "milvus"),
        (["rows.faiss", "--from", "faiss", "--column", "text=body"], 2, "--column is for files of rows"),
        (["rows.jsonl", "--text-column", "body"], 2, "go with --from"),
        (["rows.jsonl", "--dry-run"], 2, "go with --from"),
        (["rows.faiss", "--from", "faiss", "--table", "x"], 1, "leave the option out"),
        (["rows.faiss", "--from", "faiss", "--url", "http://127.0.0.1:9"], 3, "cannot reach"),
    ],
)
def test_wrong_usage_is_told(
    place: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(place.parent)

    done = shell("import", *arguments, "--library", "x")

    assert done.code == code, done.err
    assert told in done.err


def test_a_library_that_was_deleted_is_filled_again(place: Path, shell: Shell, client: Pergamum, name: str) -> None:
    command = ("import", place, "--from", "faiss", "--library", name)
    shell(*command)
    client.libraries.delete(name)

    done = shell(*command)

    assert f"10 rows moved into {name}" in done.out
    library: Library = client.libraries.get(name)
    assert library.info().chunks == ROWS
