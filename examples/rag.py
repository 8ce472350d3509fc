"""Answer a question from a folder of text files: retrieve passages, make a prompt of them, let a language model answer.

python examples/rag.py "why are owls so quiet?"
python examples/rag.py "what do I do with the dough?" --folder ~/recipes
python examples/rag.py --url http://127.0.0.1:8000      keeps what was read in the library `rag`

Without a model, the answer is the sentences that say most about the question. With one, call `answered` yourself:

    def ask_my_model(prompt: str) -> str:
        return my_client.complete(prompt)

    print(answered(client, "why are owls so quiet?", folder, model=ask_my_model).answer)
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from pergamum import Pergamum
from pergamum.client import ClientError, Conflict, Library, NewDocument

TEXTS = Path(__file__).parent / "texts"
ENDINGS = {".txt", ".md", ".rst"}
QUESTION = "what makes the water rise?"
Model: TypeAlias = Callable[[str], str]
"""A language model: takes a prompt, returns what it says to it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a file."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What was retrieved for a question, what the model was told, and what it said."""

    passages: Sequence[Passage]
    prompt: str
    answer: str


def main() -> None:
    """Print what was retrieved with its sources, the prompt, and the answer."""
    options = arguments()
    with Pergamum(options.url) if options.url else Pergamum.local() as client:
        done = answered(client, options.question, options.folder)
    print("Context")
    for number, passage in enumerate(done.passages, 1):
        print(f"[{number}] {passage.source}: {shortened(passage.text)}")
    print(f"\nPrompt\n{done.prompt}\n\nAnswer\n{done.answer}")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Answer a question from text files.")
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--folder", type=Path, default=TEXTS, help="read with everything below it")
    parser.add_argument("--url", help="a server; without one the engine runs in this process")
    return parser.parse_args()


def answered(client: Pergamum, question: str, folder: Path, *, model: Model | None = None, k: int = 3) -> Answered:
    """Store the folder, retrieve `k` passages, and let the model answer from them alone. Raises `LookupError`."""
    files = library(client)
    files.documents.add_many(read(folder))
    passages = retrieved(files, question, k)
    if not passages:
        raise LookupError(f"there is no text in {folder}")
    wanted = prompt(question, passages)
    return Answered(passages, wanted, model(wanted) if model else best_sentences(client, question, passages))


def library(client: Pergamum) -> Library:
    """Return the library of files; its texts are cut into passages of at most 400 characters."""
    try:
        return client.libraries.create(name="rag", chunking={"size": 400, "overlap": 80})
    except Conflict:
        return client.libraries.get("rag")


def read(folder: Path) -> Iterator[NewDocument]:
    """Return the text files as documents; a file that was read before replaces what it was."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in ENDINGS and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield {"id": path.relative_to(folder).as_posix(), "title": path.stem, "text": text}


def retrieved(files: Library, question: str, k: int) -> list[Passage]:
    """Return the passages that fit best, by their meaning and by their words."""
    hits = files.search(text=question, k=k, mode="hybrid").hits
    return [Passage(hit.document_id, hit.text) for hit in hits]


def prompt(question: str, passages: Sequence[Passage]) -> str:
    """Return what a model is told: the rules, the numbered passages, the question."""
    context = "\n\n".join(f"[{number}] {passage.source}: {passage.text}" for number, passage in enumerate(passages, 1))
    return (
        "Answer the question from the context alone, and name the numbers you used, such as [1].\n"
        f"If the context does not say it, say so.\n\n{context}\n\nQuestion: {question}\nAnswer:"
    )


def best_sentences(client: Pergamum, question: str, passages: Sequence[Passage], most: int = 2) -> str:
    """Return the sentences of the passages that are nearest to the question, with the numbers of their passages."""
    sentences = client.libraries.create(name=f"sentences {uuid4().hex}")
    try:
        sentences.documents.add_many(
            {"id": f"{number}.{place}", "text": sentence}
            for number, passage in enumerate(passages, 1)
            for place, sentence in enumerate(split(passage.text))
        )
        hits = sentences.search(text=question, k=most).hits
    finally:
        client.libraries.delete(sentences.key)
    return " ".join(f"{hit.text} [{hit.document_id.partition('.')[0]}]" for hit in hits)


def split(text: str) -> list[str]:
    """Return the sentences of a text, without headings."""
    parts = re.split(r"(?<=[.!?])\s+|\n\s*\n", text)
    return [" ".join(part.split()) for part in parts if part.strip() and not part.startswith("#")]


def shortened(text: str, most: int = 90) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]} ..."


if __name__ == "__main__":
    try:
        main()
    except (ClientError, LookupError) as error:
        sys.exit(str(error))
