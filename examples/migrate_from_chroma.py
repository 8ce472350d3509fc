"""From Chroma to Pergamum: a small collection is made, moved and searched, with the same neighbours before and after.

python examples/migrate_from_chroma.py
python examples/migrate_from_chroma.py --url http://127.0.0.1:8000

Needs `pip install "pergamum[server,from-chroma]"`; nothing is downloaded. The command line does the same:
pergamum import FOLDER --from chroma --library notes
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from zlib import crc32

import chromadb
import numpy as np
import numpy.typing as npt
from chromadb.config import Settings

from pergamum import F, Pergamum
from pergamum.client import ClientError
from pergamum.moving.base import CannotMove, Choice
from pergamum.moving.mover import move
from pergamum.moving.opening import opened

NOTES = {
    "moon": ("The moon pulls the sea, and the sea follows it twice a day.", 1687),
    "leaf": ("A leaf turns light, water and air into sugar.", 1779),
    "germ": ("A germ is too small to be seen, and can make a whole town ill.", 1861),
    "radio": ("A radio hears light that no eye can see.", 1887),
    "tide": ("A tide mill stores the sea at its height and grinds while it falls.", 619),
}
QUESTION = "why does the sea rise twice a day?"


def main() -> None:
    """Make, move, search."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        before = written(Path(folder))
        choice = Choice(collection="notes")
        with (
            Pergamum(options.url) if options.url else Pergamum.local() as client,
            opened("chroma", folder, choice) as source,
        ):
            report = move(source, client, "notes from chroma", choice)
            print(f"{report.moved} of {report.read} rows moved", *report.lines(), sep="\n")
            notes = client.libraries.get("notes from chroma")
            after = [hit.document_id for hit in notes.search(vector=embedded(QUESTION), k=2, recall="exact").hits]
            old = notes.search(vector=embedded(QUESTION), k=1, filter=F.year < 1000).hits[0]
    print(f"{QUESTION}\n  Chroma:   {', '.join(before)}\n  Pergamum: {', '.join(after)}")
    print(f"  before the year 1000: {old.text}")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Move a small collection from Chroma.")
    parser.add_argument("--url", help="a server; without one the engine runs in this process")
    return parser.parse_args()


def written(folder: Path) -> list[str]:
    """Write a collection; return the ids that Chroma itself finds."""
    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    notes = client.create_collection("notes", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None)
    texts = [text for text, _ in NOTES.values()]
    vectors = [embedded(text) for text in texts]
    notes.add(
        ids=[*NOTES], embeddings=vectors, documents=texts, metadatas=[{"year": year} for _, year in NOTES.values()]
    )
    found = notes.query(query_embeddings=[embedded(QUESTION)], n_results=2)["ids"][0]
    client.close()
    return found


def embedded(text: str) -> npt.NDArray[np.float32]:
    """Return a vector of the words of a text, shape (512,). It stands for the model that you use."""
    vector = np.zeros(512, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        vector[crc32(word.encode()) % 512] += word not in {"a", "and", "the", "that", "it"}
    return vector


if __name__ == "__main__":
    try:
        main()
    except (ClientError, CannotMove) as error:
        sys.exit(str(error))
