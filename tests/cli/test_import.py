"""`pergamum import` against a server: what arrives, what is told, and that it continues where it ended."""

import gzip
import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from pergamum.cli import progress_bar
from pergamum.client import Pergamum
from pergamum.client.drafts import OnError
from pergamum.client.sync.documents import Documents
from pergamum.wire.problems import ImportOut
from tests.cli.conftest import Shell


def lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(row + "\n" if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def rows(many: int) -> list[dict[str, object]]:
    return [{"id": f"{number:03}", "text": f"text {number}", "year": number} for number in range(many)]


def interrupting(call: Callable[..., ImportOut], after: int) -> Callable[..., ImportOut]:
    """The call, except that the user presses Ctrl-C instead of the one that comes after so many."""
    calls = count()

    def interrupted(documents: Documents, batch: Sequence[bytes], *, on_error: OnError) -> ImportOut:
        if next(calls) == after:
            raise KeyboardInterrupt
        return call(documents, batch, on_error=on_error)

    return interrupted


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_a_file_of_every_form_arrives_whole(
    tmp_path: Path, shell: Shell, client: Pergamum, name: str, form: str
) -> None:
    file = tmp_path / f"rows.{form}"
    if form == "jsonl":
        lines(file, rows(25))
    elif form == "jsonl.gz":
        file.write_bytes(gzip.compress(lines(tmp_path / "plain", rows(25)).read_bytes()))
    elif form == "csv":
        pl.DataFrame(rows(25)).write_csv(file)
    else:
        pl.DataFrame(rows(25)).write_parquet(file)

    done = shell("import", file, "--library", name, "--create", "--batch", "10", "--json")

    assert done.code == 0, done.err
    stored = client.library(name).documents.list(texts=True).to_list()
    assert [(document.id, document.text, document.metadata) for document in stored] == [
        (f"{number:03}", f"text {number}", {"year": number}) for number in range(25)
    ]
    expected = {"row": 25, "stored": 25, "skipped": 0, "done": True, "imported": 25, "resumed_after": 0}
    assert done.json.items() >= expected.items()


def test_rows_with_vectors_go_into_a_library_that_takes_them(
    tmp_path: Path, shell: Shell, client: Pergamum, name: str
) -> None:
    file = lines(tmp_path / "v.jsonl", [{"text": "a", "vector": [1, 0, 0]}, {"text": "b", "vector": [0, 1, 0]}])

    done = shell("import", file, "--library", name, "--create", "--model", "none")

    assert done.code == 0, done.err
    library = client.libraries.get(name)
    assert (library.info().dimension, library.info().embedding_model) == (3, None)
    assert library.search(vector=[0, 1, 0], k=1).hits[0].text == "b"


def test_rows_without_ids_are_replaced_and_not_added_again(
    tmp_path: Path, shell: Shell, client: Pergamum, name: str
) -> None:
    file = lines(tmp_path / "a.jsonl", [{"text": "a"}, {"text": "b"}])
    shell("import", file, "--library", name, "--create")

    done = shell("import", file, "--library", name, "--restart", "--json")

    assert done.json["imported"] == 2
    assert client.libraries.get(name).info().documents == 2


def test_a_wrong_row_ends_the_import_and_the_next_run_continues_after_what_is_done(
    tmp_path: Path, shell: Shell, client: Pergamum, name: str
) -> None:
    file = lines(tmp_path / "a.jsonl", [*rows(5), {"id": "x" * 300, "text": "too long an id"}, *rows(3)])
    command = ("import", file, "--library", name, "--create", "--batch", "2", "--json")

    first = shell(*command)
    second = shell(*command, "--on-error", "skip")

    assert first.code == 1
    assert first.out == ""
    assert "row 6:" in first.err
    assert "rows up to 4 are done" in first.err
    assert second.code == 0
    assert second.json.items() >= {"resumed_after": 4, "imported": 4, "stored": 8, "skipped": 1, "row": 9}.items()
    assert "skipped row 6:" in second.err
    assert client.libraries.get(name).info().documents == 5


def test_an_interrupted_import_says_what_is_done_and_the_next_run_continues(
    tmp_path: Path, shell: Shell, client: Pergamum, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lines(tmp_path / "a.jsonl", rows(10))
    command = ("import", file, "--library", name, "--create", "--batch", "3", "--json")
    with monkeypatch.context() as patch:
        patch.setattr(Documents, "import_batch", interrupting(Documents.import_batch, after=2))
        first = shell(*command)

    second = shell(*command)

    assert (first.code, first.out) == (130, "")
    assert "rows up to 6 are done" in first.err
    assert second.json.items() >= {"resumed_after": 6, "imported": 4, "stored": 10}.items()
    assert client.libraries.get(name).info().documents == 10


def test_a_terminal_shows_the_rate(tmp_path: Path, shell: Shell, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "is_terminal", lambda: True)

    done = shell("import", lines(tmp_path / "a.jsonl", rows(10)), "--library", name, "--create", "--json")

    assert done.json["imported"] == 10
    assert "documents/s" in done.err
    assert "100%" in done.err


def test_an_import_into_a_library_made_anew_begins_anew(
    tmp_path: Path, shell: Shell, client: Pergamum, name: str
) -> None:
    file = lines(tmp_path / "a.jsonl", rows(3))
    command = ("import", file, "--library", name, "--create")
    shell(*command)
    client.libraries.delete(name)

    done = shell(*command)

    assert done.out.startswith("3 documents imported")


def test_columns_may_be_chosen(tmp_path: Path, shell: Shell, client: Pergamum, name: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text("doi,abstract\n10/1,Short.\n")

    done = shell("import", file, "--library", name, "--create", "--column", "id=doi", "--column", "text=abstract")

    assert done.code == 0, done.err
    assert client.library(name).documents.get("10/1").text == "Short."


def test_without_create_a_missing_library_is_an_error(tmp_path: Path, shell: Shell, name: str) -> None:
    done = shell("import", lines(tmp_path / "a.jsonl", rows(1)), "--library", name)

    assert done.code == 1
    assert "--create" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["missing.jsonl", "--library", "x"], 2, "does not exist"),
        (["a.txt", "--library", "x", "--create"], 1, "neither .jsonl"),
        (["a.jsonl", "--library", "x", "--column", "colour=red"], 2, "FIELD=COLUMN"),
        (["a.jsonl"], 2, "--library"),
        (["a.jsonl", "--library", "x", "--on-error", "ignore"], 2, "ignore"),
    ],
)
def test_wrong_usage_is_told(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("a.txt", "a.jsonl"):
        (tmp_path / file).write_text('{"text": "a"}\n')

    done = shell("import", *arguments)

    assert done.code == code
    assert told in done.err


def test_a_server_that_is_not_there_is_told(tmp_path: Path, shell: Shell) -> None:
    file = lines(tmp_path / "a.jsonl", rows(1))

    done = shell("import", file, "--library", "x", "--url", "http://127.0.0.1:9")

    assert done.code == 3
    assert "cannot reach http://127.0.0.1:9" in done.err
