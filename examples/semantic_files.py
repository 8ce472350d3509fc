"""Search a folder of text files by meaning.

python examples/semantic_files.py ~/notes --ask "how do I get the stain out?"
python examples/semantic_files.py --url http://127.0.0.1:8000      keeps what was read in the library `files`
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from pergamum import Pergamum
from pergamum.client import ClientError, Conflict, Library, NewDocument

TEXTS = Path(__file__).parent / "texts"
ENDINGS = {".txt", ".md", ".rst"}


def main() -> None:
    """Print the files that answer the question best, each with its best passage."""
    options = arguments()
    with Pergamum(options.url) if options.url else Pergamum.local() as client:
        files = library(client)
        stored = files.documents.add_many(read(options.folder))
        answer = files.search(text=options.ask, k=3, group_by="document")
    print(f"{stored.created + stored.replaced} files read")
    for group in answer.groups or ():
        best = group.hits[0]
        print(f"\n{best.score:.2f}  {group.document_id}\n      {' '.join(best.text.split())[:300]}")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Search text files by meaning.")
    parser.add_argument("folder", nargs="?", type=Path, default=TEXTS, help="read with everything below it")
    parser.add_argument("--ask", default="why does dough get bigger?", help="a question, or a description")
    parser.add_argument("--url", help="a server; without one the engine runs in this process")
    return parser.parse_args()


def library(client: Pergamum) -> Library:
    """Return the library of files; its texts are cut into passages of at most 300 characters."""
    try:
        return client.libraries.create(name="files", chunking={"size": 300, "overlap": 40})
    except Conflict:
        return client.libraries.get("files")


def read(folder: Path) -> Iterator[NewDocument]:
    """Return the text files as documents; a file that was read before replaces what it was."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in ENDINGS and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.strip():
                yield {"id": path.relative_to(folder).as_posix(), "title": path.stem, "text": text}


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        sys.exit(str(error))
