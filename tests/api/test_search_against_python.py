"""Whatever a search asks for, combined freely, the answer is that of plain Python over all chunks."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pergamum.domain.keywords import read_keywords
from pergamum.domain.search_options import TITLE_WEIGHT
from pergamum.domain.vectors import Metric
from tests.api.conftest import serving
from tests.support.search_oracle import Oracle, Ranked, Record, assert_diverse

DOCUMENTS: Final = 24
WORDS: Final = ("moon", "sea", "tide", "rocket", "cat", "the", "of")
FILTERS: Final = {
    "even": ({"field": "n", "op": "in", "value": list(range(0, 12, 2))}, lambda r: r.fields["n"] % 2 == 0),
    "old": ({"field": "year", "op": "lt", "value": 2005}, lambda r: r.fields["document"]["metadata"]["year"] < 2005),
    "one": ({"field": "document_id", "op": "eq", "value": "d3"}, lambda r: r.document == "d3"),
    "none": ({"not": {"field": "n", "op": "gte", "value": 0}}, lambda _: False),
    "moon": ({"field": "text", "op": "matches", "value": "moon"}, lambda r: "moon" in r.fields["text"].split()),
}
FIELDS: Final = ("text", "metadata", "metadata.n", "chunk_index", "page_number", "version", "document.title")
FIELDS_OF_DOCUMENTS: Final = ("document.metadata", "document.metadata.year", "document.tags", "vector", "created_at")


class Library:
    """A library of its own server, and what it holds."""

    def __init__(self, client: TestClient, metric: Metric) -> None:
        self.client, self.path = client, f"/v1/libraries/{metric.value}"
        self._fill(metric)
        rows = self._records()
        self.oracle = Oracle(metric, rows, self._words, {name: holds for name, (_, holds) in FILTERS.items()})

    def search(self, ask: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"{self.path}/search", json=ask)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _fill(self, metric: Metric) -> None:
        """Store documents of 1 to 9 chunks with few different vectors, then change and delete some."""
        chance = np.random.default_rng(7)
        self.client.post("/v1/libraries", json={"name": metric.value, "dimension": 3, "metric": metric.value})
        for number in range(DOCUMENTS):
            chunks = [_chunk(chance, f"d{number}-{at}", at) for at in range(int(chance.integers(1, 10)))]
            document = {"title": WORDS[number % 7], "tags": ["t"], "metadata": {"year": 2000 + number % 10}}
            self.client.put(f"{self.path}/documents/d{number}", json={**document, "chunks": chunks})
        for number in range(0, DOCUMENTS, 6):
            self.client.delete(f"{self.path}/chunks/d{number}-0")
            self.client.patch(f"{self.path}/chunks/d{number + 1}-0", json={"embedding": [1.0, 2.0, 2.0]})

    def _records(self) -> dict[int, Record]:
        documents = {one["id"]: one for one in self.client.get(f"{self.path}/documents?limit=1000").json()["items"]}
        query = "limit=1000&include=embedding"
        chunks = self.client.get(f"{self.path}/chunks?{query}").json()["items"]
        with self._rows() as rows:
            slots = {stored.chunk.id: stored.slot for stored in rows.chunks(None, 10_000)}
        made = {}
        for one in chunks:
            fields = {**one, "n": one["metadata"]["n"], "document": documents[one["document_id"]]}
            slot = slots[one["id"]]
            made[slot] = Record(one["id"], one["document_id"], slot, one["embedding"], fields)
        return made

    def _words(self, text: str) -> Ranked:
        with self._rows() as rows:
            return list(rows.keyword_hits(read_keywords(text), TITLE_WEIGHT))

    def _rows(self) -> Any:  # noqa: ANN401  # a context manager of the engine's
        catalog = self.client.app.state.services.search._catalog  # type: ignore[attr-defined]
        with catalog.opened(catalog.resolve(self.path.rpartition("/")[2])) as live:
            return live.reading()


def _chunk(chance: np.random.Generator, id: str, at: int) -> dict[str, Any]:
    text = " ".join(chance.choice(WORDS, int(chance.integers(1, 12))))
    vector = [1.0 + float(chance.integers(0, 3)), *map(float, chance.integers(-2, 3, 2))]
    return {"id": id, "text": text, "embedding": vector, "page_number": at // 2, "metadata": {"n": at}}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Metric, Library]]:
    with serving(Path(tmp_path_factory.mktemp("oracle")) / "data") as client:
        yield {metric: Library(client, metric) for metric in Metric}


VECTORS: Final = st.tuples(st.integers(1, 3), st.integers(-2, 2), st.integers(-2, 2)).map(lambda v: [*map(float, v)])
TEXTS: Final = st.lists(st.sampled_from((*WORDS, "nothing", '"the moon"', "ro*")), min_size=1, max_size=3).map(" ".join)
FUSIONS: Final = st.sampled_from([
    {"kind": "rrf"},
    {"kind": "rrf", "k": 1, "weights": [0.5, 2.0]},
    {"kind": "score", "alpha": 0.0},
    {"kind": "score", "alpha": 0.7},
])  # fmt: skip
LIKES: Final = st.sampled_from([
    {"chunks": ["d1-0"]},
    {"documents": ["d2", "d3"], "chunks": ["d1-0"]},
    {"chunks": ["d1-0", "d1-0"], "not_chunks": ["d5-0"]},
    {"documents": ["d4"], "not_documents": ["d8"], "not_chunks": ["d5-0"]},
])  # fmt: skip


@st.composite
def asks(draw: st.DrawFn) -> dict[str, Any]:
    """Any combination that is allowed."""
    mode = draw(st.sampled_from(["vector", "keyword", "hybrid"]))
    ask: dict[str, Any] = {"mode": mode, "k": draw(st.integers(1, 8)), "recall": "exact"}
    if mode != "vector":
        ask["text"] = draw(TEXTS)
    if mode != "keyword":
        ask |= draw(st.builds(dict, vector=VECTORS) | st.builds(dict, like=LIKES))
    if mode == "hybrid":
        ask |= draw(st.fixed_dictionaries({}, optional={"fusion": FUSIONS, "candidates": st.integers(8, 30)}))
    scores = {"vector": [-1.0, 0.0, 0.9], "keyword": [0.5, 1.0], "hybrid": [0.016, 0.5]}[mode]
    groups: st.SearchStrategy[object] = st.just("document") | st.builds(
        dict, field=st.just("document"), per_group=st.integers(1, 4)
    )
    selected = st.lists(st.sampled_from((*FIELDS, *FIELDS_OF_DOCUMENTS)), max_size=4)
    ask |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "min_score": st.sampled_from(scores),
                "group_by": groups,
                "diversity": st.sampled_from([0.2, 0.8, 1.0]),
                "select": selected,
            },
        )
    )
    return ask


@settings(max_examples=120)
@given(metric=st.sampled_from(Metric), ask=asks(), filter=st.none() | st.sampled_from([*FILTERS]))
def test_every_combination_answers_as_plain_python_does(
    libraries: dict[Metric, Library], metric: Metric, ask: dict[str, Any], filter: str | None
) -> None:
    library = libraries[metric]
    oracle = library.oracle
    ranked, pool = oracle.ranked(ask, filter)

    found = library.search(ask if filter is None else {**ask, "filter": FILTERS[filter][0]})

    assert (found["exact"], found["expected_recall"], found["complete"]) == (True, 1.0, True)
    if "group_by" in ask:
        assert_groups(oracle, ask, found, ranked, pool)
    else:
        assert_hits(oracle, ask, found, ranked, pool)
    for hit in [*found["hits"], *(hit for group in found.get("groups", ()) for hit in group["hits"])]:
        assert_fields(oracle, ask, hit)


def assert_hits(oracle: Oracle, ask: Mapping[str, Any], found: Mapping[str, Any], ranked: Ranked, pool: Ranked) -> None:
    """Check order and scores of hits that are not grouped."""
    slots = [slot_of(oracle, hit) for hit in found["hits"]]
    if ask.get("diversity"):
        assert_diverse(slots, pool, {slot: record.vector for slot, record in oracle.records.items()}, ask)
    else:
        assert slots == [slot for slot, _ in ranked[: ask["k"]]]
    scores = dict(ranked)
    assert [hit["score"] for hit in found["hits"]] == pytest.approx([scores[slot] for slot in slots], abs=1e-12)


def assert_groups(
    oracle: Oracle, ask: Mapping[str, Any], found: Mapping[str, Any], ranked: Ranked, pool: Ranked
) -> None:
    """Check which documents were found, and that each has its best chunks."""
    most = 3 if ask["group_by"] == "document" else ask["group_by"]["per_group"]
    groups = oracle.groups(ranked, most)
    documents = [group["document_id"] for group in found["groups"]]
    assert found["hits"] == []
    if ask.get("diversity"):
        best = {record: slot for slot, _ in pool for record in [oracle.records[slot].document]}
        vectors = {slot: record.vector for slot, record in oracle.records.items()}
        assert_diverse([best[document] for document in documents], pool, vectors, ask)
    else:
        assert documents == [*groups][: ask["k"]]
    for group in found["groups"]:
        expected = groups[group["document_id"]]
        assert [slot_of(oracle, hit) for hit in group["hits"]] == [slot for slot, _ in expected]
        assert [hit["score"] for hit in group["hits"]] == pytest.approx([score for _, score in expected], abs=1e-12)


def assert_fields(oracle: Oracle, ask: Mapping[str, Any], hit: Mapping[str, Any]) -> None:
    """Check that a hit has the fields that were asked for, no others, with what is stored."""
    record = oracle.records[slot_of(oracle, hit)]
    always = {"chunk_id", "document_id", "score", "distance"}
    hybrid = {"vector_score", "keyword_score"} if ask["mode"] == "hybrid" else set()
    select = ask.get("select", ["text", "metadata", *(["highlights"] if ask["mode"] != "vector" else [])])
    assert hit.keys() == always | hybrid | {name.partition(".")[0] for name in select}
    for name in select:
        if name == "vector":
            assert hit["vector"] == record.vector
        elif name == "highlights":
            assert all(hit_text(record, span).isalpha() for span in hit["highlights"])
        elif name.startswith("document."):
            assert_selected(
                hit["document"], record.fields["document"], name.removeprefix("document."), select, "document."
            )
        else:
            assert_selected(hit, record.fields, name, select, "")
    by_words = ask["mode"] == "keyword" or (hybrid and hit["vector_score"] is None)
    assert hit["distance"] == (None if by_words else pytest.approx(oracle.distance(ask, record.slot), abs=1e-12))


def assert_selected(
    shown: Mapping[str, Any], stored: Mapping[str, Any], name: str, select: Sequence[str], prefix: str
) -> None:
    head, dot, field = name.partition(".")
    if not dot or f"{prefix}{head}" in select:
        assert shown[head] == stored[head]
    else:
        assert shown[head] == {field: stored[head][field]}


def hit_text(record: Record, span: Sequence[int]) -> str:
    text: str = record.fields["text"]
    return text[span[0] : span[1]].replace(" ", "")


def slot_of(oracle: Oracle, hit: Mapping[str, Any]) -> int:
    return next(slot for slot, record in oracle.records.items() if record.id == hit["chunk_id"])


@settings(max_examples=20)
@given(metric=st.sampled_from(Metric), ask=asks(), size=st.integers(1, 8))
def test_pages_together_are_one_large_answer(
    libraries: dict[Metric, Library], metric: Metric, ask: dict[str, Any], size: int
) -> None:
    library = libraries[metric]
    whole = "groups" if "group_by" in ask else "hits"
    per_group = 3 if ask.get("group_by") == "document" else ask.get("group_by", {}).get("per_group", 1)
    ask.pop("candidates", None)

    found = [library.search({**ask, "k": size, "page": True})]
    while found[-1]["next_cursor"] is not None:
        found.append(library.search({"cursor": found[-1]["next_cursor"]}))

    pages = [page[whole] for page in found]
    assert [one for page in pages for one in page] == library.search({**ask, "k": 1_000 // per_group})[whole]
    assert all(len(page) == size for page in pages[:-1])
    assert len({page["position"] for page in found}) == 1


def test_a_selected_vector_is_written_as_asked(libraries: dict[Metric, Library]) -> None:
    ask = {"vector": [1.0, 0.0, 0.0], "k": 1, "select": ["vector"]}

    numbers = libraries[Metric.COSINE].search(ask)["hits"][0]["vector"]
    written = libraries[Metric.COSINE].search({**ask, "vector_format": "base64"})["hits"][0]["vector"]

    assert np.frombuffer(base64.b64decode(written), "<f4").tolist() == numbers


@settings(max_examples=15)
@given(
    metric=st.sampled_from(Metric), queries=st.lists(asks(), min_size=1, max_size=6), name=st.sampled_from([*FILTERS])
)
def test_a_batch_of_mixed_searches_answers_as_they_do_one_by_one(
    libraries: dict[Metric, Library], metric: Metric, queries: list[dict[str, Any]], name: str
) -> None:
    library = libraries[metric]
    plain = [{"vector": [1.0, float(n), 0.0], "filter": FILTERS[name][0]} for n in range(3)]
    both = [*queries, *plain]

    answers = library.client.post(f"{library.path}/search:batch", json={"queries": both}).json()["answers"]

    assert answers == [library.search(query) for query in both]
