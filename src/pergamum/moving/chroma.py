"""Rows of a Chroma collection: a folder that a PersistentClient wrote, or a server."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.config import Settings
from chromadb.errors import ChromaError

from pergamum.domain.vectors import Metric, Vector
from pergamum.moving.base import About, CannotMove, Choice, Cursor, Page, Row, as_vector, chosen
from pergamum.moving.place import folder, is_url, told

KEY_VARIABLE: Final = "CHROMA_API_KEY"
_METRICS: Final[Mapping[str, Metric]] = {"cosine": Metric.COSINE, "ip": Metric.DOT, "l2": Metric.L2}
_WANTED: Final = ("embeddings", "documents", "metadatas", "uris")
_FIXED: Final = {"vector": "embedding", "text": "document", "id": "id"}


class Chroma:
    """A collection, in the order in which its rows were added; the cursor is how many were read.

    Vectors are as Chroma returns them: under cosine it stores them normalised.
    """

    def __init__(self, place: str, choice: Choice) -> None:
        _refuse_choices(choice)
        try:
            self._client = _client(place)
            names = [found.name for found in self._client.list_collections()]
            name = chosen("collection", names, choice.collection, "--collection")
            self._collection = self._client.get_collection(name, embedding_function=None)
            self.about = self._known(f"{told(place)} {name}")
        except (ChromaError, httpx.HTTPError, ValueError, OSError) as error:
            raise CannotMove(f"cannot read {told(place)}: {error}") from error

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        """Yield pages in the order of their addition."""
        offset = int(after or 0)
        while True:
            try:
                found: Mapping[str, Any] = self._collection.get(include=list(_WANTED), limit=size, offset=offset)
            except (ChromaError, httpx.HTTPError) as error:
                raise CannotMove(f"cannot read {self.about.name} after row {offset:,}: {error}") from error
            rows = list(_rows(found))
            if not rows:
                return
            offset += len(rows)
            yield Page(rows, offset)

    def close(self) -> None:
        """Close the folder."""
        close = getattr(self._client, "close", None)  # older releases have none
        if close is not None:
            close()

    def _known(self, name: str) -> About:
        collection = self._collection
        first = collection.get(include=["embeddings"], limit=1)["embeddings"]
        settings = collection.configuration_json
        space = ((settings.get("hnsw") or settings.get("spann")) or {}).get("space")
        return About(
            name=name,
            count=collection.count(),
            dimension=len(first[0]) if first is not None and len(first) else None,
            metric=_METRICS.get(str(space)),
            left=tuple(_left(collection.metadata, settings)),
        )


def _client(place: str) -> Any:  # noqa: ANN401 - chromadb's own type of client is not exported
    settings = Settings(anonymized_telemetry=False)
    if not is_url(place):
        path = folder(place)
        if not (path / "chroma.sqlite3").is_file():
            raise CannotMove(f"{place!r} is no folder of Chroma: it has no chroma.sqlite3")
        return chromadb.PersistentClient(str(path), settings=settings)
    parts = urlsplit(place)
    key = os.environ.get(KEY_VARIABLE)
    return chromadb.HttpClient(
        host=parts.hostname or "",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        ssl=parts.scheme == "https",
        headers={"x-chroma-token": key} if key else None,
        settings=settings,
    )


def _rows(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of an answer; a part that no row has may be missing from it."""
    none = [None] * len(found["ids"])
    vectors, texts, metadatas, uris = (none if found[part] is None else found[part] for part in _WANTED)
    if isinstance(vectors, np.ndarray):
        vectors = as_vector(vectors)  # all at once
    for id, vector, text, metadata, uri in zip(found["ids"], vectors, texts, metadatas, uris, strict=True):
        yield Row(id=id, vector=_vector(vector), text=text, metadata=metadata or {}, url=uri)


def _vector(given: Any) -> Vector | None:  # noqa: ANN401 - numbers in one of many forms
    return None if given is None else as_vector(given)


def _left(metadata: Mapping[str, object] | None, settings: Mapping[str, Any]) -> Iterator[str]:
    """Say what of the collection stays behind."""
    own = [name for name in metadata or {} if not name.startswith("hnsw:")]
    if own:
        yield f"the metadata of the collection itself: {', '.join(own)}"
    function = settings.get("embedding_function") or {}
    if function.get("type") == "known":
        yield (
            f"the embedding function {function.get('name')!r}: embed questions with the same model and search by vector"
        )


def _refuse_choices(choice: Choice) -> None:
    """Raise `CannotMove` for what Chroma has no choice of."""
    wrong = [name for name in (*_FIXED, "metadata", "texts") if getattr(choice, name) is not None]
    if wrong:
        raise CannotMove(f"a Chroma collection has one {' and one '.join(wrong)}; leave the option out")
