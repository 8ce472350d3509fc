"""Texts over REST against a model of plain dicts: split, embedded by the local model, found again, never stale."""

from uuid import UUID

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from pergamum.domain.splitter import split
from pergamum.embedding.local import LocalEmbedder
from tests.support import model
from tests.support.model import Record
from tests.support.rest_machine import RestMachine, run_settings

CHUNKING = {"size": 60, "overlap": 20}
DOCUMENT_IDS = ["one", "two"]
SENTENCES = [
    "A lighthouse warns ships of rocks.",
    "Bread rises because yeast makes gas.",
    "The moon moves the tides of every sea!",
    "Who first wrote down a law?",
    "Copper conducts heat and electricity.",
]
EMBEDDER = LocalEmbedder()
TITLES = st.sampled_from([None, "Notes", "On the sea"])
TEXTS = st.just("") | st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=5).map(" ".join)
IDS = st.sampled_from(DOCUMENT_IDS)


class TextsAgainstModel(RestMachine):
    """One library that embeds; the model splits and embeds by itself."""

    @property
    def library(self) -> Record:
        (library,) = self.libraries.values()
        return library

    @property
    def where(self) -> tuple[str, str]:
        return "libraries", "texts"

    @initialize(metric=st.sampled_from(["cosine", "dot", "l2"]))
    def begin(self, metric: str) -> None:
        response = self.rest.send(
            "POST", *self.where[:1], json={"name": "texts", "metric": metric, "chunking": CHUNKING}
        )
        assert response.status_code == 201, response.text
        library = model.new_library("texts", metric, 256)
        library |= {"id": response.json()["id"], "position": 0, "embedding_model": "local", "chunking": CHUNKING}
        self.libraries[library["id"]] = self.touched = library
        for document_id, sentence in zip(DOCUMENT_IDS, SENTENCES, strict=False):
            self.put_text(document_id, None, sentence)

    @rule(document_id=IDS, title=TITLES, text=TEXTS)
    def put_text(self, document_id: str, title: str | None, text: str) -> None:
        fields = {"title": title, "text": text}
        response = self.rest.send("PUT", *self.where, "documents", document_id, json=fields)
        chunks = self.chunks_made(title, text, response.json()["chunk_ids"])
        body = {"id": document_id, **fields, "chunks": chunks}
        assert self.agree(self.library, response, model.put_documents, [body], "upsert")

    @rule(document_id=IDS, title=TITLES, sentences=st.lists(st.sampled_from(SENTENCES), max_size=3))
    def put_chunks_without_embeddings(self, document_id: str, title: str | None, sentences: list[str]) -> None:
        chunks = [{"id": f"{document_id} {number}", "text": text} for number, text in enumerate(sentences)]
        body: Record = {"id": document_id, "title": title, "chunks": chunks}
        response = self.rest.send("POST", *self.where, "documents", verb="batch", json={"documents": [body]})
        body["chunks"] = [{**chunk, "embedding": embedded(title, chunk["text"])} for chunk in chunks]
        assert self.agree(self.library, response, model.put_documents, [body], "upsert")

    @rule(document_id=IDS, text=TEXTS, title=TITLES, retitled=st.booleans())
    def patch_text(self, document_id: str, text: str, title: str | None, retitled: bool) -> None:
        """A new text replaces the chunks, under the title that the document has then."""
        library = self.library
        changes: Record = {"text": text, **({"title": title} if retitled else {})}
        response = self.rest.send("PATCH", *self.where, "documents", document_id, json=changes)
        if not self.agree(library, response, model.patch_document, document_id, changes):
            return
        document = library["documents"][document_id]
        version = document["version"]
        for chunk in model.chunks_of(library, document_id):
            model.delete_chunk(library, chunk["id"])
        document["next_index"] = 0
        made = self.chunks_made(document["title"], text, response.json()["chunk_ids"])
        model.put_chunks(library, [{**chunk, "document_id": document_id} for chunk in made], "create")
        document["version"] = version  # all this is one change of the document

    @rule(document_id=IDS, title=TITLES)
    def patch_title(self, document_id: str, title: str | None) -> None:
        """No other field than the text touches the chunks."""
        response = self.rest.send("PATCH", *self.where, "documents", document_id, json={"title": title})
        if self.agree(self.library, response, model.patch_document, document_id, {"title": title}):
            assert response.json()["chunk_ids"] is None

    @rule(document_id=IDS, text=st.sampled_from(SENTENCES))
    def add_a_chunk(self, document_id: str, text: str) -> None:
        """A chunk posted on its own is embedded with its document's title."""
        chunk: Record = {"id": f"{document_id} extra", "document_id": document_id, "text": text}
        response = self.rest.send("PUT", *self.where, "chunks", chunk["id"], json=chunk)
        title = self.library["documents"].get(document_id, {"title": None})["title"]
        chunks = [{**chunk, "embedding": embedded(title, text)}]
        self.agree(self.library, response, model.put_chunks, chunks, "upsert")

    @rule(data=st.data(), text=st.sampled_from(SENTENCES))
    def patch_chunk_text(self, data: st.DataObject, text: str) -> None:
        if not self.library["chunks"]:
            return
        chunk = data.draw(st.sampled_from(list(self.library["chunks"].values())))
        title = self.library["documents"][chunk["document_id"]]["title"]
        response = self.rest.send("PATCH", *self.where, "chunks", chunk["id"], json={"text": text})
        changes = {"text": text, "embedding": embedded(title, text)}
        assert self.agree(self.library, response, model.patch_chunk, chunk["id"], changes)

    @rule(document_id=IDS)
    def delete_document(self, document_id: str) -> None:
        response = self.rest.send("DELETE", *self.where, "documents", document_id)
        self.agree(self.library, response, model.delete_document, document_id)

    @rule(text=st.sampled_from(SENTENCES) | st.just("what do tides follow?"), k=st.integers(1, 20))
    def search(self, text: str, k: int) -> None:
        """The hits are those of brute force over the model; the local model has no exact ties but of equal texts."""
        library = self.library
        response = self.rest.send("POST", *self.where, "search", json={"text": text, "k": k})
        hits = response.json()["hits"]
        expected = model.nearest(library, embedded(None, text), k)
        np.testing.assert_allclose([hit["distance"] for hit in hits], [far for _, far in expected], atol=1e-9)
        for hit in hits:
            chunk = library["chunks"][hit["chunk_id"]]
            assert (hit["document_id"], hit["text"]) == (chunk["document_id"], chunk["text"])

    @rule()
    def texts_come_back_as_they_were_given(self) -> None:
        for document_id, document in self.library["documents"].items():
            assert self.rest.get(*self.where, "documents", document_id)["text"] == document["text"]

    @invariant()
    def every_chunk_has_the_vector_of_its_text(self) -> None:
        for library in self.libraries.values():
            for chunk in self.rest.get(*self.where, "chunks", limit=1_000, include="embedding")["items"]:
                assert chunk["embedding"] == library["chunks"][chunk["id"]]["embedding"]

    def chunks_made(self, title: str | None, text: str, ids: list[str]) -> list[Record]:
        """Return the chunks that a text becomes, under the ids that the server has made."""
        assert len({UUID(id) for id in ids}) == len(ids)
        parts = zip(ids, split(text, CHUNKING["size"], CHUNKING["overlap"]), strict=True)
        return [{"id": id, "text": part, "embedding": embedded(title, part)} for id, part in parts]


def embedded(title: str | None, text: str) -> list[float]:
    """Return the vector of a text under a title: the two are embedded as one."""
    vector: list[float] = EMBEDDER.embed_query(f"{title}\n{text}" if title else text).tolist()
    return vector


TextsAgainstModel.TestCase.settings = run_settings(share=4, steps=30)
TestTextsAgainstModel = TextsAgainstModel.TestCase
