"""The whole REST API against a model of plain dicts, over any sequence of requests and restarts.

A longer run: HYPOTHESIS_PROFILE=thorough pytest tests/model
"""

import json
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.support import model
from tests.support.bodies import (
    LIBRARY_NAMES,
    METRICS,
    chunk_batches,
    chunk_patches,
    dimensions,
    document_batches,
    document_ids,
    document_patches,
    library_patches,
    some_chunk_ids,
    texts,
    vectors,
)
from tests.support.model import Json, Record
from tests.support.rest_machine import RestMachine, assert_problem, on_the_wire, run_settings

MODES = st.sampled_from(["create", "upsert"])


class RestAgainstModel(RestMachine):
    """Every rule sends one request and does the same to the model; both must do it, or both refuse."""

    # Libraries -----------------------------------------------------------------------------------------------------

    @initialize(data=st.data(), metric=st.sampled_from(METRICS), dimension=st.sampled_from([None, 2]))
    def begin_with_documents(self, data: st.DataObject, metric: str, dimension: int | None) -> None:
        self.create_library("alpha", metric, dimension, None)
        self.store_documents(data, "upsert", packed=False)

    @rule(
        name=st.sampled_from(LIBRARY_NAMES),
        metric=st.sampled_from(METRICS),
        dimension=st.sampled_from([None, 2, 3]),
        description=st.none() | texts,
    )
    def create_library(self, name: str, metric: str, dimension: int | None, description: str | None) -> None:
        body = {"name": name, "metric": metric, "dimension": dimension, "description": description}
        chosen: Record = {"embedding_model": None, "chunking": {"size": 1_000, "overlap": 100}}
        chosen["metadata_schema"] = {"mode": "open"}  # the metadata to come is of any kind
        response = self.rest.send("POST", "libraries", json={**body, **chosen})
        if self.is_taken(name):
            assert_problem(response, 409, "library-exists")
            return
        assert response.status_code == 201, response.text
        library = model.new_library(**body) | {"id": response.json()["id"], "position": 0}  # type: ignore[arg-type]
        self.assert_library(library, response.json())
        self.libraries[library["id"]] = self.touched = library

    @rule(data=st.data(), changes=library_patches)
    def patch_library(self, data: st.DataObject, changes: Record) -> None:
        library, where = self.pick(data)
        response = self.rest.send("PATCH", *where, json=changes)
        if self.is_taken(changes.get("name"), by_other_than=library) and not _overlaps_too_much(library, changes):
            assert_problem(response, 409, "library-exists")
            self.note_position(library)
            return
        position = library["position"]
        if changes and self.agree(library, response, model.patch_library, changes):
            assert response.json()["position"] > position
        if response.is_success:
            self.assert_library(library, response.json())

    @precondition(lambda self: len(self.libraries) > 1)  # an empty server has little to show
    @rule(data=st.data())
    def delete_library(self, data: st.DataObject) -> None:
        library, where = self.pick(data)
        response = self.rest.send("DELETE", *where)
        assert response.status_code == 204, response.text
        self.advance(library, response)
        del self.libraries[library["id"]]
        self.touched = None
        assert_problem(self.rest.send("GET", *where), 404, "library-not-found")
        assert_problem(self.rest.send("POST", *where, "search", json={"vector": [1]}), 404, "library-not-found")

    @rule(data=st.data(), kind=st.sampled_from(["auto", "brute_force"]))
    def choose_index(self, data: st.DataObject, kind: str) -> None:
        library, where = self.pick(data)
        spec: Record = {"kind": kind, "params": {}}
        response = self.rest.send("POST", *where, "index", json=spec)
        assert response.status_code == 202, response.text
        assert self.agree(library, response, model.patch_library, {"index": spec})
        operation = self.rest.get("operations", response.headers["location"].rpartition("/")[2])
        assert (operation["id"], operation["status"]) == (response.json()["id"], "succeeded")
        answer = self.rest.get(*where, "index")
        assert (answer["kind"], answer["active"]) == (kind, "brute_force")
        assert answer["slots"] - answer["dead_slots"] == len(library["chunks"])

    def is_taken(self, name: Json, by_other_than: Record | None = None) -> bool:
        return any(each["name"] == name for each in self.libraries.values() if each is not by_other_than)

    # Documents -----------------------------------------------------------------------------------------------------

    @rule(data=st.data(), way=st.sampled_from(["put", "post", "post without id"]), packed=st.booleans())
    def store_a_document(self, data: st.DataObject, way: str, packed: bool) -> None:
        library, where = self.pick(data)
        (body,) = data.draw(document_batches(library, most=1))
        sent, mode = dict(on_the_wire(body, packed=packed)), "upsert" if way == "put" else "create"
        if way != "post":
            del sent["id"]
        if way == "put":
            response = self.rest.send("PUT", *where, "documents", body["id"], json=sent)
        else:
            response = self.rest.send("POST", *where, "documents", json=sent)
        if way == "post without id":
            body["id"] = str(UUID(response.json()["id"])) if response.is_success else "made by the server"
        was_there = body["id"] in library["documents"]
        if not self.agree(library, response, model.put_documents, [body], mode):
            return
        assert response.status_code == (200 if was_there else 201)
        self.assert_document(library, response.json())
        assert response.json()["chunk_ids"] == [chunk["id"] for chunk in body["chunks"]]
        assert response.json()["position"] == library["position"]

    @rule(data=st.data(), mode=MODES, packed=st.booleans())
    def store_documents(self, data: st.DataObject, mode: str, packed: bool) -> None:
        library, where = self.pick(data)
        batch = data.draw(document_batches(library))
        replaced = sum(body["id"] in library["documents"] for body in batch)
        sent = {"mode": mode, "documents": [on_the_wire(body, packed=packed) for body in batch]}
        response = self.rest.send("POST", *where, "documents", verb="batch", json=sent)
        if not self.agree(library, response, model.put_documents, batch, mode):
            return
        answer = response.json()
        assert [item["id"] for item in answer["items"]] == [body["id"] for body in batch]
        assert (answer["created"], answer["replaced"]) == (len(batch) - replaced, replaced)

    @rule(data=st.data(), on_error=st.sampled_from(["abort", "skip"]), mode=MODES)
    def import_documents(self, data: st.DataObject, on_error: str, mode: str) -> None:
        library, where = self.pick(data)
        batch = data.draw(document_batches(library))
        lines = "\n".join(json.dumps(body) for body in batch).encode()
        query = {"on_error": on_error, "mode": mode}
        response = self.rest.send("POST", *where, "documents", verb="import", content=lines, **query)
        if on_error == "abort":
            if self.agree(library, response, model.put_documents, batch, mode):
                assert (response.json()["accepted"], response.json()["failed"]) == (len(batch), 0)
            return
        refused = [number for number, body in enumerate(batch, 1) if not _stored(library, body, mode)]
        assert response.status_code == 200, response.text
        assert response.json()["accepted"] == len(batch) - len(refused)
        assert sorted(fault["line"] for fault in response.json()["errors"]) == refused
        self.note_position(library)

    @rule(data=st.data(), changes=document_patches)
    def patch_document(self, data: st.DataObject, changes: Record) -> None:
        library, where = self.pick(data)
        document_id = data.draw(document_ids(library))
        response = self.rest.send("PATCH", *where, "documents", document_id, json=changes)
        if not changes and document_id in library["documents"]:
            self.assert_document(library, response.json())
            return
        if self.agree(library, response, model.patch_document, document_id, changes):
            self.assert_document(library, response.json())

    @rule(data=st.data())
    def delete_document(self, data: st.DataObject) -> None:
        library, where = self.pick(data)
        document_id = data.draw(document_ids(library))
        response = self.rest.send("DELETE", *where, "documents", document_id)
        self.agree(library, response, model.delete_document, document_id)
        assert_problem(self.rest.send("GET", *where, "documents", document_id), 404, "document-not-found")

    # Chunks --------------------------------------------------------------------------------------------------------

    @rule(data=st.data(), mode=MODES, packed=st.booleans())
    def store_a_chunk(self, data: st.DataObject, mode: str, packed: bool) -> None:
        library, where = self.pick(data)
        (body,) = data.draw(chunk_batches(library, most=1))
        sent, was_there = on_the_wire(body, packed=packed), body["id"] in library["chunks"]
        if mode == "create":
            response = self.rest.send("POST", *where, "chunks", json=sent)
        else:
            sent = {name: value for name, value in sent.items() if name != "id"}
            response = self.rest.send("PUT", *where, "chunks", body["id"], json=sent)
        if self.agree(library, response, model.put_chunks, [body], mode):
            assert response.status_code == (200 if was_there else 201)
            self.assert_chunk(library, response.json())

    @rule(data=st.data(), mode=MODES, packed=st.booleans())
    def store_chunks(self, data: st.DataObject, mode: str, packed: bool) -> None:
        library, where = self.pick(data)
        batch = data.draw(chunk_batches(library))
        replaced = sum(body["id"] in library["chunks"] for body in batch)
        sent = {"mode": mode, "chunks": [on_the_wire(body, packed=packed) for body in batch]}
        response = self.rest.send("POST", *where, "chunks", verb="batch", json=sent)
        if not self.agree(library, response, model.put_chunks, batch, mode):
            return
        answer = response.json()
        stored = [library["chunks"][body["id"]] for body in batch]
        assert [item["chunk_index"] for item in answer["items"]] == [chunk["chunk_index"] for chunk in stored]
        assert (answer["created"], answer["replaced"]) == (len(batch) - replaced, replaced)

    @rule(data=st.data(), packed=st.booleans())
    def patch_chunk(self, data: st.DataObject, packed: bool) -> None:
        library, where = self.pick(data)
        chunk_id = data.draw(some_chunk_ids(library))
        changes = data.draw(chunk_patches(library))
        if "text" in changes and "embedding" not in changes:
            del changes["text"]  # a text alone needs an embedding model: see the next machine
        response = self.rest.send("PATCH", *where, "chunks", chunk_id, json=on_the_wire(changes, packed=packed))
        if not changes and chunk_id in library["chunks"]:
            self.assert_chunk(library, response.json())
            return
        if self.agree(library, response, model.patch_chunk, chunk_id, changes):
            self.assert_chunk(library, response.json())

    @rule(data=st.data())
    def delete_chunk(self, data: st.DataObject) -> None:
        library, where = self.pick(data)
        chunk_id = data.draw(some_chunk_ids(library))
        response = self.rest.send("DELETE", *where, "chunks", chunk_id)
        self.agree(library, response, model.delete_chunk, chunk_id)
        assert_problem(self.rest.send("GET", *where, "chunks", chunk_id), 404, "chunk-not-found")

    # Refusals ------------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def send_what_is_wrong(self, data: st.DataObject) -> None:
        """One fault at the end of a batch that is right so far: nothing of it may be stored."""
        library, where = self.pick(data)
        good = data.draw(vectors(library, data.draw(dimensions(library))).filter(any))
        for slug, fault in _faults(good, library["metric"]):
            chunks: list[Record] = [{"id": f"new {number}", "text": "", "embedding": good} for number in range(3)]
            chunks[-1] = {name: value for name, value in {**chunks[-1], **fault}.items() if value is not None}
            content = json.dumps({"documents": [{"id": "new", "chunks": chunks}]}).encode()  # NaN is written as such
            response = self.rest.send("POST", *where, "documents", verb="batch", content=content)
            assert_problem(response, 422, slug)
            assert slug == "invalid-request" or response.json()["chunk_id"] == chunks[-1]["id"]
        self.note_position(library)

    @rule(data=st.data())
    def ask_what_is_wrong(self, data: st.DataObject) -> None:
        library, where = self.pick(data)
        right = data.draw(vectors(library, library["dimension"] or 2).filter(any))
        for slug, body in _wrong_queries(right, library):
            assert_problem(self.rest.send("POST", *where, "search", json=body), 422, slug)
            batch = {"queries": [{"vector": right}, body]}
            response = self.rest.send("POST", *where, "search", verb="batch", json=batch)
            assert_problem(response, 422, slug)
            assert slug == "invalid-request" or response.json()["query"] == 1

    # Reads ---------------------------------------------------------------------------------------------------------

    @rule(data=st.data(), k=st.integers(1, 15), packed=st.booleans())
    def search(self, data: st.DataObject, k: int, packed: bool) -> None:
        library, where = self.pick(data)
        query = data.draw(vectors(library, library["dimension"] or 2))
        body = on_the_wire({"vector": query, "k": k}, packed=packed)
        response = self.rest.send("POST", *where, "search", json=body)
        assert response.status_code == 200, response.text
        _assert_answer(library, query, k, response.json())

    @rule(data=st.data(), ks=st.lists(st.integers(1, 5), min_size=1, max_size=4))
    def search_many(self, data: st.DataObject, ks: list[int]) -> None:
        library, where = self.pick(data)
        query = vectors(library, library["dimension"] or 2)
        queries: list[Record] = [{"vector": data.draw(query), "k": k} for k in ks]
        response = self.rest.send("POST", *where, "search", verb="batch", json={"queries": queries})
        assert response.status_code == 200, response.text
        for asked, answer in zip(queries, response.json()["answers"], strict=True):
            _assert_answer(library, asked["vector"], asked["k"], answer)

    @rule(data=st.data(), limit=st.integers(1, 4))
    def list_in_pages(self, data: st.DataObject, limit: int) -> None:
        library, where = self.pick(data)
        names = [item["name"] for item in self.pages(limit, "libraries")]
        assert names == sorted(each["name"] for each in self.libraries.values())
        documents = self.pages(limit, *where, "documents")
        assert [item["id"] for item in documents] == sorted(library["documents"])
        assert [item["id"] for item in self.pages(limit, *where, "chunks")] == sorted(library["chunks"])
        for document in documents:
            found = self.pages(limit, *where, "documents", document["id"], "chunks")
            assert [item["id"] for item in found] == [c["id"] for c in model.chunks_of(library, document["id"])]

    @rule(data=st.data())
    def read_one_by_one(self, data: st.DataObject) -> None:
        library, where = self.pick(data)
        for document_id in library["documents"]:
            self.assert_document(library, self.rest.get(*where, "documents", document_id))
        for chunk in library["chunks"].values():
            answer = self.rest.get(*where, "chunks", chunk["id"], include="embedding")
            self.assert_chunk(library, answer)
            assert answer["embedding"] == chunk["embedding"]


def _overlaps_too_much(library: Record, changes: Record) -> bool:
    chunking = {**library["chunking"], **changes.get("chunking", {})}
    return bool(2 * chunking["overlap"] > chunking["size"])


def _stored(library: Record, body: Record, mode: str) -> bool:
    try:
        model.put_documents(library, [body], mode)
    except model.Refused:
        return False
    return True


def _faults(good: list[int], metric: str) -> list[tuple[str, Record]]:
    """Return what makes a chunk wrong, after the type of the problem; None leaves a field out."""
    faults: list[tuple[str, Record]] = [
        ("dimension-mismatch", {"embedding": [*good, 1]}),
        ("not-finite", {"embedding": [float("nan"), *good[1:]]}),
        ("not-finite", {"embedding": [1e39, *good[1:]]}),
        ("duplicate-id", {"id": "new 0"}),
        ("embedding-required", {"embedding": None}),
        ("invalid-request", {"embeding": good}),
    ]
    return faults + ([("zero-vector", {"embedding": [0] * len(good)})] if metric == "cosine" else [])


def _wrong_queries(right: list[int], library: Record) -> list[tuple[str, Record]]:
    queries: list[tuple[str, Record]] = [
        ("invalid-request", {"vector": right, "k": 0}),
        ("invalid-request", {"vector": right, "text": "a"}),
        ("invalid-field", {"vector": right, "k": 1_001}),
        ("not-finite", {"vector": [1e39, *right[1:]]}),
        ("embedding-required", {"text": "a"}),
    ]
    if library["dimension"] is not None:
        queries.append(("dimension-mismatch", {"vector": [*right, 1]}))
    if library["metric"] == "cosine":
        queries.append(("zero-vector", {"vector": [0] * len(right)}))
    return queries


def _assert_answer(library: Record, query: list[int], k: int, answer: Record) -> None:
    expected = model.nearest(library, query, k)
    hits = answer["hits"]
    assert [(hit["chunk_id"], hit["distance"]) for hit in hits] == [(chunk["id"], far) for chunk, far in expected]
    for hit, (chunk, far) in zip(hits, expected, strict=True):
        assert (hit["document_id"], hit["text"], hit["metadata"]) == (
            chunk["document_id"],
            chunk["text"],
            chunk["metadata"],
        )
        assert hit["score"] == (1.0 - far if library["metric"] == "cosine" else -far)
    assert (answer["exact"], answer["expected_recall"], answer["complete"]) == (True, 1.0, True)
    assert answer["position"] == library["position"]


RestAgainstModel.TestCase.settings = run_settings(share=2, steps=40)
TestRestAgainstModel = RestAgainstModel.TestCase
