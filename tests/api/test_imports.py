import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from pergamum.domain.commands import Outcome
from pergamum.domain.tokens import Token
from pergamum.errors import InvalidField, PergamumError, StorageFull
from pergamum.services.composer import Refuse
from pergamum.services.imports import Import, Line, OnError, Store
from tests.api.conftest import assert_problem, chunk, put, serving

NDJSON = {"content-type": "application/x-ndjson"}


def lines(items: Iterable[Any]) -> bytes:
    """Return one line for each item; bytes are taken as they are."""
    return b"".join(item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in items)


def imported(client: TestClient, url: str, body: bytes | Iterator[bytes], **params: str) -> httpx2.Response:
    return client.post(url, content=body, params=params, headers=NDJSON)


def test_documents_are_imported_whole(client: TestClient, library: str) -> None:
    body = lines({"id": str(n), "chunks": [chunk(f"c{n}", n, 1)]} for n in range(2_500))

    report = imported(client, f"{library}/documents:import", body)

    assert report.json() == {"accepted": 2_500, "failed": 0, "errors": [], "position": 1}
    assert report.headers["pergamum-position"] == "1"
    assert client.get(library).json()["chunks"] == 2_500


def test_a_body_may_come_in_pieces_that_cut_lines(client: TestClient, library: str) -> None:
    whole = lines([{"id": "a", "title": "é"}, b"\r\n", {"id": "b"}, b"  \n", b'{"id": "c"}'])

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(whole), 3):
            yield whole[at : at + 3]

    for on_error in ("abort", "skip"):
        report = imported(client, f"{library}/documents:import", pieces(), on_error=on_error).json()
        assert (report["accepted"], report["failed"]) == (3, 0)
    assert client.get(f"{library}/documents/a").json()["title"] == "é"


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        (b"not json\n", "invalid-field"),
        (b'{"id": "x", "surprise": 1}\n', "invalid-field"),
        (lines([{"id": "x", "chunks": [chunk("c", 1, 2, 3)]}]), "dimension-mismatch"),
        (lines([{"id": "x", "text": "no model"}]), "embedding-required"),
        (lines([{"id": "x", "chunks": [chunk("theirs", 1, 1)]}]), "chunk-owned-elsewhere"),
        (b"\xff\xfe\n", "invalid-field"),
    ],
)
def test_a_wrong_line_is_named_and_aborts_or_is_skipped(
    client: TestClient, library: str, line: bytes, slug: str
) -> None:
    put(client, library, "owner", chunk("theirs", 1, 1))
    body = lines([{"id": "before", "chunks": [chunk("b", 1, 1)]}, line, {"id": "after"}])

    aborted = imported(client, f"{library}/documents:import", body)
    assert aborted.status_code in {409, 422}
    assert (aborted.json()["type"], aborted.json()["line"]) == (f"/problems/{slug}", 2)
    assert client.get(library).json()["documents"] == 1

    skipped = imported(client, f"{library}/documents:import", body, on_error="skip").json()
    assert (skipped["accepted"], skipped["failed"]) == (2, 1)
    assert [(fault["line"], fault["type"]) for fault in skipped["errors"]] == [(2, f"/problems/{slug}")]
    assert client.get(library).json()["documents"] == 3


def test_an_abort_after_many_good_lines_keeps_none(client: TestClient, library: str) -> None:
    body = lines([*({"id": str(n)} for n in range(3_000)), b"oops\n"])

    assert imported(client, f"{library}/documents:import", body).json()["line"] == 3_001
    assert client.get(library).json()["documents"] == 0


def test_chunks_that_the_engine_would_refuse_are_left_out_one_by_one(client: TestClient, library: str) -> None:
    put(client, library, "d", chunk("taken", 1, 1))
    put(client, library, "e", chunk("theirs", 1, 1))
    body = lines(
        [
            chunk("a", 1, 1, document_id="d"),
            chunk("taken", 1, 1, document_id="d"),
            chunk("b", 1, 1, document_id="nowhere"),
            chunk("theirs", 1, 1, document_id="d"),
            chunk("c", 1, 1, document_id="e"),
        ]
    )

    created = imported(client, f"{library}/chunks:import", body, on_error="skip", mode="create").json()
    upserted = imported(client, f"{library}/chunks:import", body, on_error="skip").json()

    exists, homeless = "/problems/chunk-exists", "/problems/document-not-found"
    assert [(one["line"], one["type"]) for one in created["errors"]] == [(2, exists), (3, homeless), (4, exists)]
    assert (upserted["accepted"], [one["line"] for one in upserted["errors"]]) == (3, [3, 4])
    assert client.get(f"{library}/chunks/c").json()["version"] == 2
    assert client.get(f"{library}/chunks/theirs").json()["document_id"] == "e"


def test_the_later_of_two_lines_with_one_id_counts(client: TestClient, library: str) -> None:
    body = lines([{"id": "d", "title": "first"}, {"id": "d", "title": "second"}])

    aborted = imported(client, f"{library}/documents:import", body)
    assert assert_problem(aborted, 422, "duplicate-id")["line"] == 2
    assert imported(client, f"{library}/documents:import", body, on_error="skip").json()["accepted"] == 2
    assert client.get(f"{library}/documents/d").json()["title"] == "second"


def test_only_the_first_hundred_faults_are_listed(client: TestClient, library: str) -> None:
    report = imported(client, f"{library}/documents:import", b"x\n" * 250, on_error="skip").json()

    assert (report["accepted"], report["failed"], len(report["errors"])) == (0, 250, 100)


def test_texts_are_split_and_embedded(client: TestClient, texts: str) -> None:
    body = lines({"id": word, "title": word, "text": f"All about {word}."} for word in ("tea", "iron", "opera"))

    assert imported(client, f"{texts}/documents:import", body).json()["accepted"] == 3
    hits = client.post(f"{texts}/search", json={"text": "music theatre", "k": 1}).json()["hits"]
    assert hits[0]["document_id"] == "opera"


def test_an_import_is_answered_though_empty_or_unknown(client: TestClient, library: str) -> None:
    assert imported(client, f"{library}/documents:import", b"").json()["accepted"] == 0
    assert_problem(imported(client, "/v1/libraries/nobody/documents:import", b"{}"), 404, "library-not-found")
    assert imported(client, f"{library}/documents:import", b"", on_error="explode").status_code == 422
    wrong = client.post(f"{library}/chunks:import", json=[])
    assert_problem(wrong, 415, "unsupported-media-type")


def test_what_is_kept_whole_is_bounded_and_what_is_skipped_is_not(tmp_path: Path) -> None:
    vector = base64.b64encode(np.ones(2, "<f4").tobytes()).decode()
    body = lines({"id": str(n), "chunks": [{"text": "", "embedding": vector}]} for n in range(100))
    with serving(tmp_path / "data", max_import_bytes=2_000, max_body_bytes=1_024) as client:
        client.post("/v1/libraries", json={"name": "x", "dimension": 2})
        url = "/v1/libraries/x/documents:import"

        for stream in (body, iter([body])):
            problem = assert_problem(imported(client, url, stream), 413, "too-large")
            assert (problem["limit"], "on_error=skip" in problem["detail"]) == (2_000, True)
        assert imported(client, url, body, on_error="skip").json()["accepted"] == 100
        assert_problem(imported(client, url, b"x" * 1_025, on_error="skip"), 413, "too-large")


class FillingDisk(Store[str, str]):
    """Has room for two batches."""

    place = "document"

    def __init__(self) -> None:
        self.stored: list[list[str]] = []

    def id_of(self, draft: str) -> str | None:
        return draft

    def compose(self, drafts: Sequence[str], _refuse: Refuse) -> list[str]:
        return list(drafts)

    def submit(self, items: Sequence[str]) -> Outcome:
        if len(self.stored) == 2:
            raise StorageFull
        self.stored.append(list(items))
        return Outcome(len(self.stored))

    def conflicts(self, _items: Sequence[str]) -> dict[int, PergamumError]:
        return {}


def test_an_import_that_breaks_off_says_how_far_it_came() -> None:
    begun = Import(FillingDisk(), OnError.SKIP, Token(uuid4(), 0))
    begun.take([Line(1, "a"), Line(2, "b")])
    begun.take([Line(3, InvalidField("line", "is wrong")), Line(4, "c")])

    with pytest.raises(StorageFull) as raised:
        begun.take([Line(5, "d")])

    assert raised.value.facts == {"accepted": 3, "failed": 1}
