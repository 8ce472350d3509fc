"""Answers for people to look at."""

from collections.abc import Iterable, Mapping

from rich.table import Table
from rich.text import Text

from pergamum.wire.search import ExplainOut, HitOut, PlanOut, SearchOut
from pergamum.wire.selection import FacetsOut

LONGEST = 160
FOUND = "bold yellow"
NUMBERS = {"score", "by meaning", "by words", "definitions", "recall", "predicted", "found", "compared", "time"}
"""The columns that stand to the right."""


def hits(answer: SearchOut) -> Table:
    """The hits with their words and definitions; words of the query are marked where the answer says where they are."""
    table = _table("score", "word", "definition")
    for hit in answer.hits:
        table.add_row(f"{hit.score:.2f}", word(hit), definition(hit))
    return table


def hits_of_both(answer: SearchOut) -> Table:
    """The hits of a hybrid search, with their ranks by meaning and by words."""
    table = _table("by meaning", "by words", "word", "definition")
    for hit in answer.hits:
        table.add_row(_rank(hit.vector_rank), _rank(hit.keyword_rank), word(hit), definition(hit))
    return table


def first_hits(texts: Iterable[str], answers: Iterable[SearchOut]) -> Table:
    """The first hit for each text."""
    table = _table("described", "word", "score")
    for text, answer in zip(texts, answers, strict=True):
        for hit in answer.hits[:1]:
            table.add_row(text, word(hit), f"{hit.score:.2f}")
    return table


def counts(facets: FacetsOut) -> Table:
    """The most frequent values of the first field asked for."""
    table = _table(facets.facets[0].field, "definitions")
    for value in facets.facets[0].values or ():
        table.add_row(str(value.value), f"{value.count:,}")
    return table


def plans(explain: ExplainOut) -> Table:
    """The plan that was taken, and those that were not, with the reasons."""
    table = _table("plan", "recall", "predicted", "why")
    table.add_row(*_plan(explain.plan), Text("taken: the quickest that was measured to find enough", style="green"))
    for refused in explain.refused:
        table.add_row(*_plan(refused), Text(refused.reason))
    return table


def measured(searches: Mapping[str, tuple[float, float, float]], number: int) -> Table:
    """The share of the nearest that each way of searching found, the vectors it compared, and its seconds: means."""
    table = _table(f"{number} searches", "found", "compared", "time")
    for name, (share, compared, seconds) in searches.items():
        table.add_row(name, f"{share:.1%}", f"{compared:,.0f}", milliseconds(seconds))
    return table


def word(hit: HitOut) -> Text:
    """The first of the words that a definition is for."""
    title = (hit.document and hit.document.title) or hit.document_id
    return Text(title.partition(",")[0], style="bold")


def definition(hit: HitOut) -> Text:
    """The definition, shortened, with the words of the query marked."""
    text = Text(hit.text)
    for begin, end in hit.highlights or ():
        text.stylize(FOUND, begin, end)
    text.truncate(LONGEST, overflow="ellipsis")
    return text


def _plan(plan: PlanOut) -> tuple[str, str, str]:
    name = f"{plan.strategy} {plan.effort}" if plan.effort else plan.strategy
    recall = "-" if plan.expected_recall is None else f"{plan.expected_recall:.3f}"
    return name, recall, "-" if plan.predicted_seconds is None else milliseconds(plan.predicted_seconds)


def milliseconds(seconds: float) -> str:
    """A time that is short."""
    return f"{seconds * 1_000:.2f} ms"


def _rank(rank: int | None) -> str:
    return "-" if rank is None else str(rank)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        right = name in NUMBERS
        table.add_column(name, justify="right" if right else "left", overflow="fold", header_style="dim")
    return table
