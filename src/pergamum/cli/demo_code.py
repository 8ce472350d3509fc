"""The code of the tour. Each function's body is shown as it stands here, and then run."""

from pergamum import F, Pergamum
from pergamum.client import Library
from pergamum.client.results import SearchResult
from pergamum.samples import WORDNET_SCHEMA, wordnet, wordnet_documents
from pergamum.wire.index import IndexOut
from pergamum.wire.selection import FacetsOut

SHOWN = ["text", "document.title", "highlights"]
"""The fields of hits that the tour shows."""

FORGOTTEN = (
    "someone who collects stamps",
    "a person who makes maps",
    "a doctor's tool for listening to the heart",
    "longing for one's home",
    "a word that reads the same backwards",
    "fear of small closed rooms",
)


def opened(_nothing: None) -> Pergamum:
    """The engine in this process."""
    return Pergamum.local()


def filled(client: Pergamum) -> Library:
    """The library of the tour."""
    words = client.libraries.create(
        name="wordnet",
        metadata_schema=WORDNET_SCHEMA,
    )
    words.documents.add_many(wordnet_documents())
    return words


def by_meaning(words: Library) -> SearchResult:
    """One description."""
    return words.search(
        text="favouring relatives when giving out jobs",
        k=3,
        select=["text", "document.title"],
    )


def many(words: Library) -> list[SearchResult]:
    """Several descriptions in one request."""
    return words.search_many(
        [{"text": text, "k": 1, "select": SHOWN} for text in FORGOTTEN],
    )


def unfiltered(words: Library) -> SearchResult:
    """Nouns and verbs."""
    return words.search(text="going somewhere quickly", k=4, select=SHOWN)


def filtered(words: Library) -> SearchResult:
    """Verbs of motion with several words for them."""
    motion = (F.part_of_speech == "verb") & (F.category == "verb.motion")
    rich = F.synonyms.length() >= 2
    return words.search(
        text="going somewhere quickly",
        k=4,
        filter=motion & rich,
        select=SHOWN,
    )


def counted(words: Library) -> FacetsOut:
    """How verbs are spread."""
    return words.documents.facets(
        {"field": "category", "top": 5},
        filter=F.part_of_speech == "verb",
    )


def by_words(words: Library) -> SearchResult:
    """A phrase, and the beginning of a word."""
    return words.search(
        text='"blood pressure" heal*',
        mode="keyword",
        k=4,
        select=SHOWN,
    )


def by_both(words: Library) -> SearchResult:
    """Meaning and words together."""
    return words.search(
        text="heart doctor instrument",
        mode="hybrid",
        k=4,
        select=SHOWN,
        explain=True,
    )


def indexed(words: Library) -> IndexOut:
    """A graph over the vectors, measured."""
    words.index.build(kind="hnsw")
    return words.index.wait()


def explained(words: Library) -> SearchResult:
    """A search that says how it was done."""
    return words.search(
        text="a song that makes a baby fall asleep",
        k=4,
        recall=0.9,
        select=SHOWN,
        explain=True,
    )


def compared(words: Library) -> tuple[list[SearchResult], list[SearchResult]]:
    """The same searches exactly, and with nine of ten enough."""
    asked = [definition["title"] for definition in wordnet()][::25]
    exact = words.search_many(
        [{"text": text, "recall": "exact", "explain": True} for text in asked],
    )
    quick = words.search_many(
        [{"text": text, "recall": 0.9, "explain": True} for text in asked],
    )
    return exact, quick
