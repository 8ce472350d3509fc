"""Points of a Qdrant collection: a folder of the client's local mode, or a server."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ApiException
from qdrant_client.models import CollectionParams, Distance, Record, VectorParams

from pergamum.domain.fields import ScalarType
from pergamum.domain.vectors import Metric, Vector
from pergamum.moving.base import TEXT_NAMES, About, CannotMove, Choice, Cursor, Page, Row, as_vector, chosen
from pergamum.moving.place import folder, is_url, told

KEY_VARIABLE: Final = "QDRANT_API_KEY"
UNNAMED: Final = ""
"""The name that Qdrant gives to the only vector of a collection that names none."""
_END: Final = "end"
"""The cursor after the last point; no id reads so."""
_METRICS: Final[Mapping[Distance, Metric]] = {
    Distance.COSINE: Metric.COSINE,
    Distance.DOT: Metric.DOT,
    Distance.EUCLID: Metric.L2,
}
_TYPES: Final = {"datetime": ScalarType.DATETIME, "uuid": ScalarType.UUID, "text": ScalarType.TEXT}


class Qdrant:
    """A collection by ascending point id; the cursor is the id that comes next.

    Vectors are as Qdrant returns them: under cosine it stores them normalised.
    """

    def __init__(self, place: str, choice: Choice) -> None:
        if choice.id is not None or choice.texts is not None:
            raise CannotMove("Qdrant names its points itself and has their payload; leave the option out")
        self._text, self._metadata = choice.text, choice.metadata
        self._client = _client(place)
        try:
            names = [found.name for found in self._client.get_collections().collections]
            self._name = chosen("collection", names, choice.collection, "--collection")
            self._vector = _chosen_vector(self._params(), choice)
            self.about = self._known(f"{told(place)} {self._name}")
        except CannotMove:
            self._client.close()
            raise
        except (ApiException, ValueError, OSError) as error:
            self._client.close()
            raise CannotMove(f"cannot read {told(place)}: {error}") from error

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        """Yield pages by ascending id."""
        cursor = after
        if cursor == _END:
            return
        while True:
            try:
                records, following = self._client.scroll(
                    self._name, limit=size, offset=cursor, with_payload=True, with_vectors=True
                )
            except (ApiException, OSError) as error:
                raise CannotMove(f"cannot read {self.about.name} from {cursor}: {error}") from error
            cursor = _END if following is None else following if isinstance(following, int) else str(following)
            if records:
                yield Page([self._row(record) for record in records], cursor)
            if following is None:
                return

    def close(self) -> None:
        """Close the connection or the folder."""
        self._client.close()

    def _params(self) -> CollectionParams:
        return self._client.get_collection(self._name).config.params

    def _known(self, name: str) -> About:
        info = self._client.get_collection(self._name)
        params = _dense(info.config.params)[self._vector]
        indexed = {field: str(index.data_type.value) for field, index in info.payload_schema.items()}
        return About(
            name=name,
            count=self._client.count(self._name, exact=True).count,
            dimension=params.size,
            metric=_METRICS.get(params.distance),
            types={field: _TYPES[kind] for field, kind in indexed.items() if kind in _TYPES},
        )

    def _row(self, record: Record) -> Row:
        vector, left = self._parts(record.vector)
        payload = dict(record.payload or {})
        names = (self._text,) if self._text is not None else TEXT_NAMES
        name = next((name for name in names if isinstance(payload.get(name), str)), None)
        text = None if name is None else payload.pop(name)
        inner = payload.pop(self._metadata, None) if self._metadata is not None else None
        metadata = payload | inner if isinstance(inner, dict) else payload
        return Row(id=str(record.id), vector=vector, text=text, metadata=metadata, left=left)

    def _parts(self, vectors: Any) -> tuple[Vector | None, tuple[str, ...]]:  # noqa: ANN401 - one of five shapes
        """Return the chosen vector, and what the others are."""
        if vectors is None:
            return None, ()
        named = vectors if isinstance(vectors, dict) else {UNNAMED: vectors}
        own = named.get(self._vector)
        others = tuple(f"{_shape(vector)} {name!r}" for name, vector in named.items() if name != self._vector)
        return (None if own is None else as_vector(own)), others


def _client(place: str) -> QdrantClient:
    if is_url(place):
        return QdrantClient(url=place, api_key=os.environ.get(KEY_VARIABLE), timeout=60)
    path = folder(place)
    if not (path / "meta.json").is_file():
        raise CannotMove(
            f"{place!r} is no folder of Qdrant's local mode: it has no meta.json; give the URL of a server"
        )
    try:
        return QdrantClient(path=str(path))
    except (RuntimeError, ValueError) as error:
        raise CannotMove(f"cannot open {place!r}: {error}") from error


def _dense(params: CollectionParams) -> dict[str, VectorParams]:
    """Return the vectors that are one row of numbers a point."""
    vectors = params.vectors or {}
    named = {UNNAMED: vectors} if isinstance(vectors, VectorParams) else vectors
    return {name: each for name, each in named.items() if each.multivector_config is None}


def _chosen_vector(params: CollectionParams, choice: Choice) -> str:
    names = list(_dense(params))
    if names == [UNNAMED] and choice.vector is None:
        return UNNAMED
    return chosen("vector", names, choice.vector, "--vector-field")


def _shape(vector: object) -> str:
    if not isinstance(vector, list):
        return "sparse vector"
    return "multivector" if vector and isinstance(vector[0], list) else "vector"
