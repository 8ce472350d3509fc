"""The parts of the tour, in order: what is said of each, and what is shown."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from rich.text import Text

from pergamum.cli import demo_code as code
from pergamum.cli import demo_tables as tables
from pergamum.cli.demo_stage import Stage
from pergamum.client import Library
from pergamum.wire.search import SearchOut

Act: TypeAlias = Callable[[Stage, Library], None]
BUILDING: Final = "building and measuring; a first time compiles the kernels as well, for half a minute"


@contextmanager
def opening(stage: Stage) -> Iterator[Library]:
    """The library that the tour is about, for the length of the block."""
    stage.title("Pergamum: a vector database")
    stage.say(
        "This tour takes five minutes. It looks for words in 5,000 definitions of WordNet, which come with the "
        "package. The engine runs in this process, so no server is needed; nothing is kept at the end."
    )
    with stage.run(code.opened, None, "client") as client:
        words = stage.run(code.filled, client, "words", takes="embedding and storing")
        chunks = words.refresh().chunks
        rate = f"{chunks / stage.seconds:,.0f} a second"
        stage.show(Text(f"{chunks:,} definitions embedded and stored in {stage.seconds:.1f} s ({rate})"))
        yield words


def meaning(stage: Stage, words: Library) -> None:
    """Search by meaning."""
    stage.title("The word you cannot recall")
    stage.say("Describe it in your own words. What is compared is the meaning: no word need be the same.")
    stage.show(tables.hits(stage.run(code.by_meaning, words)))
    stage.say("More of them, all in one request:")
    stage.show(tables.first_hits(code.FORGOTTEN, stage.run(code.many, words, "answers")))


def filters(stage: Stage, words: Library) -> None:
    """Filters and facets."""
    stage.title("Filters")
    stage.say("Here nouns and verbs are found together. (SHOWN names the fields of hits to answer.)")
    stage.show(tables.hits(stage.run(code.unfiltered, words)))
    stage.say("A filter says which definitions may be found. It is exact: k hits come back whenever k match.")
    stage.show(tables.hits(stage.run(code.filtered, words)))
    stage.say("The same filters count, list, change and delete. Facets tell how values are spread:")
    stage.show(tables.counts(stage.run(code.counted, words, "facets")))


def keywords(stage: Stage, words: Library) -> None:
    """Keyword and hybrid search."""
    stage.title("Words, and both together")
    stage.say('Sometimes the very words matter: "in quotes" they stand next to each other, and heal* is a beginning.')
    stage.show(tables.hits(stage.run(code.by_words, words)))
    stage.say("A hybrid search makes one ranking of two, by meaning and by words; here are the ranks in both.")
    stage.show(tables.hits_of_both(stage.run(code.by_both, words)))


def explanation(stage: Stage, words: Library) -> None:
    """An index, and the plan of a search."""
    stage.title("Explain")
    stage.say(
        "So far every vector was compared, which is exact, and quick enough for so few. A graph looks at a part of "
        "them. When it is built, it is measured: how much does it find, for what effort?"
    )
    index = stage.run(code.indexed, words, "index", takes=BUILDING)
    stage.show(Text(f"{index.active} over {index.slots:,} vectors, in {stage.seconds:.1f} s"))
    stage.say("You say how much of the true nearest you want to find; the planner takes the quickest way there.")
    answer = stage.run(code.explained, words)
    stage.show(tables.hits(answer))
    if answer.explain is not None:
        stage.say("Its plan, and those it refused:")
        stage.show(tables.plans(answer.explain))


def recall(stage: Stage, words: Library) -> None:
    """Promised and measured recall."""
    stage.title("Recall")
    stage.say("Is that promise kept? The same searches, exactly and with nine of the ten nearest being enough:")
    exact, quick = stage.run(code.compared, words, "exact, quick")
    nearest = sum(len(answer.hits) for answer in exact)
    found = sum(len(_ids(one) & _ids(other)) for one, other in zip(exact, quick, strict=True)) / nearest
    stage.show(tables.measured({"exact": (1.0, *_effort(exact)), "recall=0.9": (found, *_effort(quick))}, len(exact)))


def your_own(stage: Stage, words: Library) -> None:
    """What the person who watches wants to look for."""
    stage.title("Your own")
    if stage.talks:
        stage.say("Describe a word, or press Enter alone to end.")
        while text := stage.ask():
            stage.show(tables.hits(words.search(text=text, k=3, select=code.SHOWN)), rest=False)
    stage.say(
        "To go on: `pergamum serve` starts a server, `pergamum import` fills it from a file, `pergamum generate` with "
        "as much as you like, and Pergamum() in place of Pergamum.local() talks to it."
    )


TOUR: Final[Sequence[Act]] = (meaning, filters, keywords, explanation, recall, your_own)


def _ids(answer: SearchOut) -> set[str]:
    return {hit.chunk_id for hit in answer.hits}


def _effort(answers: Sequence[SearchOut]) -> tuple[float, float]:
    """Return how many vectors a search compared, and its seconds in the index: the means of answers with `explain`."""
    actual = [answer.explain.actual for answer in answers if answer.explain]
    compared = sum(cost.scored / cost.queries for cost in actual) / len(actual)
    return compared, sum(cost.seconds / cost.queries for cost in actual) / len(actual)
