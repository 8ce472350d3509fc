"""Collections of documents and questions that people judged, and how good rankings of them are."""

import gzip
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.model import Record

COLLECTIONS = ("cranfield", "cisi")


@dataclass(frozen=True, slots=True)
class Judged:
    """Documents with id, title, text; questions, and for each of them the ids of the documents that answer it."""

    name: str
    documents: list[Record]
    questions: list[str]
    relevant: list[set[str]]

    def held_out(self, step: int = 2) -> "Judged":
        """Return it with the second question and every `step`th after it: with 2, those that chose no default."""
        return replace(self, questions=self.questions[1::step], relevant=self.relevant[1::step])


def judged(folder: Path) -> Judged:
    """Read a collection of the data folder; questions that nothing answers are left out."""
    documents = _lines(gzip.decompress((folder / "documents.jsonl.gz").read_bytes()).decode())
    relevant = defaultdict(set)
    for line in (folder / "qrels.tsv").read_text().splitlines():
        query_id, document_id, relevance = line.split("\t")
        if int(relevance) > 0:
            relevant[query_id].add(document_id)
    questions = {query["id"]: query["text"] for query in _lines((folder / "queries.jsonl").read_text())}
    return Judged(
        folder.name,
        [{name: document.get(name) for name in ("id", "title", "text")} for document in documents],
        [questions[id] for id in relevant],
        list(relevant.values()),
    )


def recall(ranking: Sequence[str], relevant: Collection[str], depth: int = 100) -> float:
    """Return the share of the relevant that stands in the first `depth` places."""
    return len(set(ranking[:depth]) & set(relevant)) / len(relevant)


def _lines(text: str) -> list[Record]:
    return [json.loads(line) for line in text.splitlines()]
