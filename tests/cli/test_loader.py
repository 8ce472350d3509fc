"""Rows into a library: order, batches, wrong rows, and going on after an end that came too early."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pergamum.cli.bookmark import Bookmark, Progress, file_bookmark
from pergamum.cli.columns import Columns
from pergamum.cli.loader import Loader, RowRefused
from pergamum.cli.tables import BadRow, Row
from pergamum.client import Library, Unavailable
from pergamum.client.call import Call, Reply
from pergamum.client.drafts import OnError
from pergamum.client.errors import refusal
from pergamum.client.options import NO_OPTIONS, ReadOptions

T = TypeVar("T")


class FakeServer:
    """Imports lines as the server does: refuses those whose text is `wrong`, fails once after `fails_after` batches."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.stored: dict[str, str] = {}
        self.sizes: list[int] = []
        self._fails_after = fails_after

    def send(
        self,
        call: Call[T],
        options: ReadOptions = NO_OPTIONS,  # noqa: ARG002  # what a door is given
        *,
        put_off: Callable[[], None] | None = None,  # noqa: ARG002  # as above
    ) -> T:
        if self._fails_after == len(self.sizes):
            self._fails_after = None
            raise refusal(503, {"detail": "stopping"}, request_id=None)
        assert call.body is not None
        documents = [json.loads(line) for line in call.body.splitlines()]
        self.sizes.append(len(documents))
        wrong = [number for number, document in enumerate(documents, 1) if document["text"] == "wrong"]
        if wrong and call.params["on_error"] == "abort":
            raise refusal(422, {"detail": "is wrong", "line": wrong[0]}, request_id=None)
        good = [document for document in documents if document["text"] != "wrong"]
        self.stored |= {document["id"]: document["text"] for document in good}
        errors = [{"line": line, "type": "/problems/some", "detail": "is wrong"} for line in wrong]
        report = {"accepted": len(good), "failed": len(wrong), "errors": errors, "position": len(self.sizes)}
        return call.read(Reply(json.dumps(report).encode(), {}))


def rows_of(texts: Sequence[str | None], after: int = 0) -> Iterable[Row]:
    """Rows with these texts; None is a row that cannot be read."""
    for number, text in enumerate(texts, 1):
        if number > after:
            yield Row(number, BadRow("is not JSON") if text is None else {"text": text}, number)


def loader(server: FakeServer, on_error: OnError, skipped: list[int]) -> Loader:
    columns = Columns.parsed([])
    return Loader(
        Library(server, "x"),
        lambda cells, row: columns.document(cells, str(row)),
        on_error,
        lambda row, _reason: skipped.append(row),
    )


@given(
    texts=st.lists(st.sampled_from(["a", "b", "wrong", None]), max_size=30),
    batch=st.integers(1, 7),
    fails_after=st.integers(0, 6),
)
def test_good_rows_are_stored_once_and_wrong_ones_counted_however_often_it_ends(
    texts: list[str | None], batch: int, fails_after: int
) -> None:
    server, skipped, progress = FakeServer(fails_after), list[int](), Progress()

    for _ in range(2):  # the second run continues where the first one failed
        try:
            for acknowledged in loader(server, "skip", skipped).load(rows_of(texts, progress.row), progress, batch):
                progress = acknowledged.progress
        except Unavailable:
            continue

    good = {str(number): text for number, text in enumerate(texts, 1) if text not in {None, "wrong"}}
    assert server.stored == good
    assert (progress.row, progress.stored) == (len(texts), len(good))
    assert progress.skipped == len(texts) - len(good)
    assert set(skipped) == {number for number, text in enumerate(texts, 1) if text in {None, "wrong"}}
    assert all(size <= batch for size in server.sizes)


@pytest.mark.parametrize("wrong", ["wrong", None])
def test_a_wrong_row_ends_an_import_that_skips_none_and_is_named(wrong: str | None) -> None:
    server = FakeServer()
    batches = loader(server, "abort", []).load(rows_of(["a"] * 4 + [wrong, "a"]), Progress(), 2)

    assert [next(batches).progress.row, next(batches).progress.row] == [2, 4]
    with pytest.raises(RowRefused, match="row 5: is ") as caught:
        next(batches)
    assert caught.value.row == 5
    assert list(server.stored) == ["1", "2", "3", "4"]


def test_a_batch_ends_before_it_grows_too_large() -> None:
    server = FakeServer()

    list(loader(server, "abort", []).load(rows_of(["x" * (3 << 20)] * 5), Progress(), 100))

    assert server.sizes == [2, 2, 1]


def test_a_bookmark_returns_what_was_kept_and_belongs_to_one_file_and_library(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.jsonl", tmp_path / "state"
    file.write_text("{}\n")
    kept = Progress(row=3, stored=2, skipped=1)

    file_bookmark(file, "library", "columns", folder).save(kept)

    assert file_bookmark(file, "library", "columns", folder).load() == kept
    assert file_bookmark(file, "another", "columns", folder).load() == Progress()
    assert file_bookmark(file, "library", "others", folder).load() == Progress()
    file.write_text("{}\n{}\n")
    assert file_bookmark(file, "library", "columns", folder).load() == Progress()


@pytest.mark.parametrize("content", ["", "[]", '{"row": "many"}'])
def test_an_unreadable_bookmark_means_the_beginning(tmp_path: Path, content: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(content)

    assert Bookmark(path, Progress).load() == Progress()
