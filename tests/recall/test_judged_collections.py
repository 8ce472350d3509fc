"""Text in, nearest chunks out, on collections that people judged: posted as text, embedded by the local model."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import pytest

from tests.support.model import Record
from tests.support.ndcg import ndcg
from tests.support.rest import Rest

DOCUMENTS_AT_ONCE = 250
CHUNKS_PER_QUERY = 50
"""Enough for ten documents: none of these has more than five chunks."""


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[Rest]:
    with Rest(tmp_path / "data") as rest:
        yield rest


# Measured on its own, one vector a document, the model reaches 0.343 and 0.363.
@pytest.mark.parametrize(("name", "least"), [("cranfield", 0.33), ("cisi", 0.35)])
def test_a_library_of_texts_answers_judged_queries(rest: Rest, data_folder: Path, name: str, least: float) -> None:
    documents = _documents(data_folder / name)
    queries = {query["id"]: query["text"] for query in _lines((data_folder / name / "queries.jsonl").read_text())}
    relevant = _relevant(data_folder / name)
    rest.send("POST", "libraries", json={"name": name})

    _store(rest, name, documents)
    rankings = _rankings(rest, name, [queries[query_id] for query_id in relevant])

    assert rest.get("libraries", name)["documents"] == len(documents)
    quality = fmean(ndcg(ranking, relevant[id]) for id, ranking in zip(relevant, rankings, strict=True))
    assert quality >= least


def _lines(text: str) -> list[Record]:
    return [json.loads(line) for line in text.splitlines()]


def _documents(folder: Path) -> list[Record]:
    read = _lines(gzip.decompress((folder / "documents.jsonl.gz").read_bytes()).decode())
    return [{name: document.get(name) for name in ("id", "title", "text")} for document in read]


def _relevant(folder: Path) -> dict[str, set[str]]:
    """Return the ids of the documents that were judged relevant, by the query's id; queries without any left out."""
    relevant = defaultdict(set)
    for line in (folder / "qrels.tsv").read_text().splitlines():
        query_id, document_id, relevance = line.split("\t")
        if int(relevance) > 0:
            relevant[query_id].add(document_id)
    return relevant


def _store(rest: Rest, library: str, documents: Sequence[Record]) -> None:
    for first in range(0, len(documents), DOCUMENTS_AT_ONCE):
        body = {"documents": documents[first : first + DOCUMENTS_AT_ONCE]}
        response = rest.send("POST", "libraries", library, "documents", verb="batch", json=body)
        assert response.status_code == 200, response.text


def _rankings(rest: Rest, library: str, queries: Sequence[str]) -> list[list[str]]:
    """Return the ids of the documents found for each query, each once, where its best chunk stands."""
    body = {"queries": [{"text": query, "k": CHUNKS_PER_QUERY} for query in queries]}
    response = rest.send("POST", "libraries", library, "search", verb="batch", json=body)
    assert response.status_code == 200, response.text
    return [list(dict.fromkeys(hit["document_id"] for hit in found["hits"])) for found in response.json()["answers"]]
