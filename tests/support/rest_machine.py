"""What the machines of tests/model share: a server, the model beside it, and the comparison of the two."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.kernels import prepare_kernels
from tests.support.model import Json, Record, Refused, chunks_of
from tests.support.rest import Rest, base64_of

LIBRARY_FIELDS = ("name", "description", "metric", "dimension", "embedding_model", "index", "recall", "chunking")
DOCUMENT_FIELDS = ("id", "title", "author", "document_type", "source_url", "tags", "metadata", "version")
CHUNK_FIELDS = ("id", "document_id", "text", "page_number", "chunk_index", "metadata", "version")


class RestMachine(RuleBasedStateMachine):
    """A server on a folder of its own, and `libraries` by id as they must be. `touched` was used last.

    `requests` are those since the server started: a start costs as much as some twenty of them.
    """

    def __init__(self) -> None:
        prepare_kernels()  # or the server's thread imports them while hypothesis looks through all modules
        super().__init__()
        self._folder = TemporaryDirectory(prefix="pergamum-model-")
        self.rest = Rest(Path(self._folder.name) / "data")
        self.libraries: dict[str, Record] = {}
        self.touched: Record | None = None
        self.requests = 0

    def teardown(self) -> None:
        self.rest.close()
        self._folder.cleanup()

    @precondition(lambda self: self.requests > 4)
    @rule()
    def restart(self) -> None:
        """What is stored stays as it is, and so does every position."""
        self.rest.restart()
        self.requests = 0
        for library in self.libraries.values():
            self.assert_as_modelled(library)

    @invariant()
    def is_as_modelled(self) -> None:
        """Whatever was done last, or refused, left the library as the model has it."""
        self.requests += 1
        if self.touched is not None:
            self.assert_as_modelled(self.touched)

    # How requests are made -----------------------------------------------------------------------------------------

    def pick(self, data: st.DataObject) -> tuple[Record, tuple[str, str]]:
        """Return one of the libraries and the start of its path, by id or by name."""
        libraries = sorted(self.libraries.values(), key=lambda each: str(each["name"]))  # ids differ between two runs
        library = libraries[data.draw(st.integers(0, len(libraries) - 1), label="library")]
        self.touched = library
        return library, ("libraries", library[data.draw(st.sampled_from(["id", "name"]), label="by")])

    def agree(self, library: Record, response: httpx.Response, change: Callable[..., None], *args: Json) -> bool:
        """Make the same change to the model; assert that both did it, or both refused. Return whether it was done."""
        try:
            change(library, *args)
        except Refused as refusal:
            assert_problem(response, refusal.status, refusal.slug)
            self.note_position(library)
            return False
        assert response.is_success, response.text
        self.advance(library, response)
        return True

    def advance(self, library: Record, response: httpx.Response) -> None:
        """Take the position of a write that was done: it is beyond every one seen before."""
        position = int(response.headers["pergamum-position"])
        assert position > library["position"]
        library["position"] = position

    def note_position(self, library: Record) -> None:
        """Take the position after a request that changed nothing: it may have grown, never fallen."""
        position = self.rest.get("libraries", library["id"])["position"]
        assert position >= library["position"]
        library["position"] = position

    # What must be true ---------------------------------------------------------------------------------------------

    def assert_as_modelled(self, library: Record) -> None:
        """Compare all there is to read of a library with the model."""
        self.assert_library(library, self.rest.get("libraries", library["id"]))
        documents = self.rest.get("libraries", library["id"], "documents", limit=1_000)["items"]
        assert [document["id"] for document in documents] == sorted(library["documents"])
        for document in documents:
            self.assert_document(library, document)
        chunks = self.rest.get("libraries", library["id"], "chunks", limit=1_000)["items"]
        assert [chunk["id"] for chunk in chunks] == sorted(library["chunks"])
        for chunk in chunks:
            self.assert_chunk(library, chunk)

    def assert_library(self, library: Record, answer: Record) -> None:
        assert_alike(answer, library, (*LIBRARY_FIELDS, "id", "version", "position"))
        counts = {name: len(library[name]) for name in ("documents", "chunks")}
        assert_alike(answer, counts, ("documents", "chunks"))
        assert_times(library, answer)

    def assert_document(self, library: Record, answer: Record) -> None:
        document = library["documents"][answer["id"]]
        assert_alike(answer, document, DOCUMENT_FIELDS)
        assert answer["chunks"] == len(chunks_of(library, answer["id"]))
        assert_times(document, answer)

    def assert_chunk(self, library: Record, answer: Record) -> None:
        assert_alike(answer, library["chunks"][answer["id"]], CHUNK_FIELDS)
        assert_times(library["chunks"][answer["id"]], answer)

    def pages(self, limit: int, *segments: str) -> list[Record]:
        """Return all items of a list, read in pages of `limit`; no page but the last is short."""
        items: list[Record] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.rest.get(*segments, limit=limit, **cursor)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            assert len(page["items"]) == limit
            cursor = {"cursor": page["next_cursor"]}


def assert_problem(response: httpx.Response, status: int, slug: str) -> None:
    """The answer is problem+json of this status and type."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status), problem


def assert_alike(answer: Record, record: Record, fields: tuple[str, ...]) -> None:
    """Compare as JSON, where 1, 1.0 and true are three things."""
    pairs = {field: (_canonical(answer[field]), _canonical(record[field])) for field in fields}
    assert {field: pair for field, pair in pairs.items() if pair[0] != pair[1]} == {}


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def assert_times(record: Record, answer: Record) -> None:
    """`created_at` never changes, `updated_at` only with the version (the model forgets it then)."""
    assert record.setdefault("created_at", answer["created_at"]) == answer["created_at"]
    assert record.setdefault("updated_at", answer["updated_at"]) == answer["updated_at"]
    assert answer["updated_at"] >= answer["created_at"]


def on_the_wire(body: Record, *, packed: bool) -> Record:
    """Return the body with its vectors as base64, if `packed`."""
    if not packed:
        return body
    changed: Record = {name: base64_of(body[name]) for name in ("embedding", "vector") if name in body}
    if "chunks" in body:
        changed["chunks"] = [on_the_wire(chunk, packed=True) for chunk in body["chunks"]]
    return {**body, **changed}


def run_settings(*, share: int, steps: int) -> settings:
    """Return settings for a machine: one in `share` of the profile's examples, as each is a server's whole life."""
    profile = settings.default
    assert profile is not None, "tests/conftest.py loads one"
    return settings(max_examples=max(1, profile.max_examples // share), stateful_step_count=steps)
