"""More like these: recommend words by words that someone likes, and does not like.

python examples/recommendations.py fear --unlike acrophobia claustrophobia
python examples/recommendations.py --url http://127.0.0.1:8000      (after ./run.sh --demo)
"""

import argparse
import sys

from pergamum import F, Pergamum
from pergamum.client import ClientError, Library
from pergamum.samples import WORDNET_SCHEMA, wordnet_documents


def main() -> None:
    """Print the definitions that are most like those of the liked words, different from each other."""
    options = arguments()
    with Pergamum(options.url) if options.url else Pergamum.local() as client:
        words = client.library("wordnet") if options.url else filled(client)
        answer = words.search(
            like={"documents": ids(words, options.liked), "not_documents": ids(words, options.unlike)},
            k=5,
            diversity=0.2,  # neighbours of one word resemble each other: take some of them only
            filter=F.part_of_speech == "noun",
            select=["text", "document.title"],
        )
    for hit in answer.hits:
        print(f"{hit.score:.2f}  {hit.document.title if hit.document else hit.document_id}: {hit.text}")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Recommend words like others.")
    parser.add_argument("liked", nargs="*", default=["stethoscope", "thermometer"], help="words of the sample")
    parser.add_argument("--unlike", nargs="*", default=[], help="words that hits are not to be like")
    parser.add_argument("--url", help="a server with the library wordnet; without one the engine runs in this process")
    return parser.parse_args()


def filled(client: Pergamum) -> Library:
    """Return a library with the sample in it."""
    words = client.libraries.create(name="wordnet", metadata_schema=WORDNET_SCHEMA)
    words.documents.add_many(wordnet_documents())
    return words


def ids(words: Library, names: list[str]) -> list[str]:
    """Return the ids of the definitions of these words."""
    found = [document.id for name in names for document in words.documents.list(filter=F.synonyms.any_of([name]))]
    if names and not found:
        sys.exit(f"none of {', '.join(names)} is in the sample")
    return found


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        sys.exit(f"{error}\nStart a server with the words in it: ./run.sh --demo")
