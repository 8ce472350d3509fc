"""How good are the answers: nDCG@10 and recall@100 on collections that people judged.

    python -m benchmarks.search_quality [--data ../shared/data] [--out docs/benchmarks/search-quality.md]

Cranfield (aerodynamics, 225 questions) and CISI (library science, 76 long ones) are imported as texts into libraries
with the default settings of a real server: it cuts them into chunks and embeds them. Each question is a search over
REST, of k = 10 documents for nDCG@10 and of k = 100 for recall@100; a document stands where its best chunk does
(`group_by: document`). Nothing is timed.

Every figure is followed by those of the two halves of the questions: defaults were chosen by the first, third, fifth...
question; the others decided nothing, though they were no secret either. The
sections after the first show what the defaults were chosen from.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import TypeAlias

from benchmarks.harness import Json, Server, environment, running, table
from pergamum.app import build_core
from pergamum.domain.keywords import read_keywords
from pergamum.domain.search_options import DEFAULT_TOP, TITLE_WEIGHT, ByRank, ByScore
from pergamum.engine.catalog import Catalog
from pergamum.settings import Settings
from tests.support.judged import COLLECTIONS, Judged, judged, recall
from tests.support.ndcg import ndcg

Body: TypeAlias = dict[str, Json]
Scores: TypeAlias = list[float]
"""One figure a question."""

KEYWORD: Body = {"mode": "keyword"}
VECTOR: Body = {"mode": "vector"}
HYBRID: Body = {"mode": "hybrid"}
RANK, SCORE = ByRank(), ByScore()
TITLE_WEIGHTS = (0.5, 1.0, 2.0, 3.0, 5.0)
CHUNKS_TO_SEE = 100
"""Enough for ten documents: none of these has ten chunks."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What one way to search reached on one collection, question by question."""

    ndcg: Scores
    recall: Scores


@dataclass(frozen=True, slots=True)
class Bench:
    """The server with the collections in it."""

    server: Server
    collections: Sequence[Judged]

    def rankings(self, collection: Judged, way: Body, k: int) -> list[list[str]]:
        """Return the ids of the k best documents for each question."""
        asked = {"k": k, "group_by": {"field": "document", "per_group": 1}, "select": []} | way
        body = {"queries": [{"text": question} | asked for question in collection.questions]}
        path = f"/v1/libraries/{collection.name}/search:batch"
        answers = self.server.send("POST", path, json.dumps(body).encode())["answers"]
        return [[group["document_id"] for group in answer["groups"]] for answer in answers]

    def ndcg(self, collection: Judged, way: Body) -> Scores:
        """Return nDCG@10 of each question."""
        return _each(ndcg, self.rankings(collection, way, 10), collection)

    def quality(self, collection: Judged, way: Body) -> Quality:
        """Return nDCG@10 and recall@100 of each question."""
        return Quality(self.ndcg(collection, way), _each(recall, self.rankings(collection, way, 100), collection))


def main() -> None:
    """Measure, print, and write the page."""
    options = _options()
    collections = [judged(options.data / name) for name in COLLECTIONS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        with running(folder) as server:
            for collection in collections:
                _store(server, collection)
            sections = list(_sections(Bench(server, collections)))
        sections.append(_titles(folder, collections))
    page = "\n\n".join([_head(), *sections]) + "\n"
    print(page)
    if options.out is not None:
        options.out.write_text(page)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=None, help="also write the page here")
    return parser.parse_args()


def _store(server: Server, collection: Judged) -> None:
    server.create_library(collection.name)
    lines = "".join(json.dumps(document) + "\n" for document in collection.documents)
    server.import_documents(lines.encode(), collection.name)


def _head() -> str:
    today = datetime.now(UTC).date().isoformat()
    facts = "\n".join(f"    {line}" for line in f"{today}. {environment()}".splitlines())
    return f"""# Search quality

Written by `python -m benchmarks.search_quality --out docs/benchmarks/search-quality.md`; its docstring says how it is
measured. [0019](../decisions/0019-search-defaults.md) says what was chosen from it and why.

{facts}

Cells: all questions (the half that defaults were chosen by, the other half). The defaults are **bold**."""


def _sections(bench: Bench) -> Iterator[str]:
    yield from _ways(bench)
    yield _grid(
        bench, "Fusion by rank: k", [(f"{k:g}", k == RANK.k, _by_rank(k=k)) for k in (1, 5, 10, 20, 40, 60, 100)]
    )
    weights = ((1.0, 0.3), (1.0, 0.5), (1.0, 0.7), (1.0, 1.0), (0.7, 1.0), (0.5, 1.0), (0.3, 1.0))
    default = (RANK.vector_weight, RANK.keyword_weight)
    rows = [(f"{one:g}, {two:g}", (one, two) == default, _by_rank(weights=[one, two])) for one, two in weights]
    yield _grid(bench, "Fusion by rank: weights of vectors, of words", rows)
    shares = (0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9)
    rows = [(f"{alpha:g}", alpha == SCORE.alpha, _by_score(alpha)) for alpha in shares]
    yield _grid(bench, "Fusion by score (not the default): alpha", rows)
    rows = [(f"{count}", count == 100, HYBRID | {"candidates": count}) for count in (10, 20, 50, 100, 200, 400, 1000)]
    yield _grid(bench, "Candidates of each side (100 where k is at most 25)", rows)
    rows = [(f"{top}", top == DEFAULT_TOP, _reranked(HYBRID, top)) for top in (10, 30, 50, 100, 200)]
    yield _grid(bench, "Reranked by `local`: how many of a hybrid search", rows)
    rows = [(name, False, _reranked(way, DEFAULT_TOP)) for name, way in (("keyword", KEYWORD), ("vector", VECTOR))]
    yield _grid(bench, f"Reranked by `local`: the first {DEFAULT_TOP} of another search", rows)


def _by_rank(**fusion: Json) -> Body:
    return HYBRID | {"fusion": {"kind": "rrf"} | fusion}


def _by_score(alpha: float) -> Body:
    return HYBRID | {"fusion": {"kind": "score", "alpha": alpha}}


def _reranked(way: Body, top: int) -> Body:
    return way | {"rerank": {"provider": "local", "top": top}}


def _ways(bench: Bench) -> Iterator[str]:
    """Yield the table of the ways to search with their defaults, and what each gains."""
    ways = {
        "keyword": KEYWORD,
        "vector": VECTOR,
        "hybrid": HYBRID,
        "hybrid, reranked by `local`": HYBRID | {"rerank": {"provider": "local"}},
    }
    found = {way: [bench.quality(collection, body) for collection in bench.collections] for way, body in ways.items()}
    head = ["", *(f"{each.name}, {what}" for each in bench.collections for what in ("nDCG@10", "recall@100"))]
    rows = [
        [
            way,
            *(_cell(scores) for quality in by_collection for scores in (quality.ndcg, quality.recall)),
            _mean(by_collection),
        ]
        for way, by_collection in found.items()
    ]
    yield f"## Ways to search\n\n{table([*head, 'mean nDCG@10'], rows)}"
    yield _gains(bench, {way: [quality.ndcg for quality in each] for way, each in found.items()})


def _gains(bench: Bench, found: Mapping[str, Sequence[Scores]]) -> str:
    ways = list(found)
    pairs = [(ways[2], ways[0]), (ways[2], ways[1]), (ways[3], ways[2])]
    rows = [
        [f"{way} over {other}", *(_gain(one, two) for one, two in zip(found[way], found[other], strict=True))]
        for way, other in pairs
    ]
    note = "Mean difference of nDCG@10, question by question, and its standard error."
    return f"## Gains\n\n{note}\n\n{table(['', *(each.name for each in bench.collections)], rows)}"


def _grid(bench: Bench, title: str, rows: Sequence[tuple[str, bool, Body]]) -> str:
    """Return the table of nDCG@10 by setting; those marked are the defaults."""
    found = [(name, default, [bench.ndcg(each, way) for each in bench.collections]) for name, default, way in rows]
    return _table_of(title, bench.collections, found)


def _table_of(title: str, collections: Sequence[Judged], found: Sequence[tuple[str, bool, Sequence[Scores]]]) -> str:
    head = ["", *(f"{each.name}, nDCG@10" for each in collections), "mean"]
    rows = []
    for name, default, scores in found:
        mean = f"{fmean(fmean(each) for each in scores):.4f}"
        rows.append([f"**{name}**" if default else name, *map(_cell, scores), mean])
    return f"## {title}\n\n{table(head, rows)}"


def _titles(folder: Path, collections: Sequence[Judged]) -> str:
    """Return the table of the weight of titles, which no request sets: read from the stopped server's files."""
    core = build_core(Settings(data_dir=folder))
    try:
        found = [
            (f"{weight:g}", weight == TITLE_WEIGHT, [_by_title(core.catalog, each, weight) for each in collections])
            for weight in TITLE_WEIGHTS
        ]
    finally:
        core.close()
    return _table_of("Keyword search: what a word in a title counts", collections, found)


def _cell(scores: Scores) -> str:
    return f"{fmean(scores):.3f} ({fmean(scores[::2]):.3f}, {fmean(scores[1::2]):.3f})"


def _mean(found: Sequence[Quality]) -> str:
    return f"{fmean(fmean(quality.ndcg) for quality in found):.4f}"


def _gain(one: Scores, other: Scores) -> str:
    gains = [after - before for after, before in zip(one, other, strict=True)]
    return f"{fmean(gains):+.4f} ± {stdev(gains) / len(gains) ** 0.5:.4f}"


def _each(
    measure: Callable[[Sequence[str], set[str]], float], rankings: Sequence[Sequence[str]], collection: Judged
) -> Scores:
    return [measure(*each) for each in zip(rankings, collection.relevant, strict=True)]


def _by_title(catalog: Catalog, collection: Judged, weight: float) -> Scores:
    """Return nDCG@10 of each question, searched by its words with this weight of titles."""
    with catalog.opened(catalog.resolve(collection.name)) as live, live.reading() as rows:
        rankings = []
        for question in collection.questions:
            slots = [slot for slot, _ in rows.keyword_hits(read_keywords(question), weight)][:CHUNKS_TO_SEE]
            chunks = rows.chunks_at(slots)
            rankings.append(list(dict.fromkeys(chunks[slot].chunk.document_id for slot in slots)))
    return _each(ndcg, rankings, collection)


if __name__ == "__main__":
    main()
