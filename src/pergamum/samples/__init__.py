"""Data to try things out with, shipped with the package.

`WORDNET` is a file of 5,000 definitions, one JSON object a line, packed with gzip. They are from WordNet 3.0 by
Princeton University, whose licence lies beside it; examples/README.md of the repository says how they were chosen.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from pergamum.client import NewDocument
    from pergamum.client.drafts import MetadataSchema

WORDNET: Final = Path(__file__).parent / "wordnet.jsonl.gz"
WORDNET_LICENCE: Final = Path(__file__).parent / "wordnet.LICENSE"

WORDNET_SCHEMA: "Final[MetadataSchema]" = {
    "mode": "strict",
    "documents": {
        "part_of_speech": {"type": "string", "required": True, "allowed": ["noun", "verb"]},
        "category": {"type": "string", "required": True},
        "synonyms": {"type": "list[string]", "required": True},
        "relations": {"type": "integer", "required": True, "min": 0},
    },
}
"""The metadata that `wordnet_documents` have."""


class Definition(TypedDict):
    """A line of `WORDNET`: one meaning of one or more words, which are the title."""

    id: str
    title: str
    text: str
    part_of_speech: str
    category: str
    synonyms: list[str]
    relations: int


def wordnet() -> Iterator[Definition]:
    """Return the definitions, in the order of the file.

    >>> next(wordnet())["title"]
    'accomplishment, achievement'
    """
    with gzip.open(WORDNET, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def wordnet_documents() -> "Iterator[NewDocument]":
    """Return the definitions as documents of one chunk each, their last four fields as metadata."""
    for definition in wordnet():
        id, title, text = definition["id"], definition["title"], definition["text"]
        facts = {name: value for name, value in definition.items() if name not in {"id", "title", "text"}}
        yield {"id": id, "title": title, "metadata": facts, "chunks": [{"id": id, "text": text}]}
