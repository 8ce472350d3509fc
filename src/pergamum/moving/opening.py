"""Which file reads which kind of place. A source's own package is imported only when it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, Literal, TypeAlias

from pergamum.moving.base import CannotMove, Choice, Source

Kind: TypeAlias = Literal["chroma", "qdrant", "pgvector", "lancedb", "faiss"]

_PACKAGES: Final[dict[Kind, str]] = {
    "chroma": "chromadb",
    "qdrant": "qdrant_client",
    "pgvector": "psycopg",
    "lancedb": "lancedb",
    "faiss": "faiss",
}


@contextmanager
def opened(kind: Kind, place: str, choice: Choice | None = None) -> Iterator[Source]:
    """The source for the length of the block.

    Raises `CannotMove` when its package is not installed, when nothing is there, or when it is not clear what is meant.
    """
    if find_spec(_PACKAGES[kind]) is None:
        raise CannotMove(f'reading {kind} needs another package: pip install "pergamum[from-{kind}]"')
    source = _source(kind, place, choice or Choice())
    try:
        yield source
    finally:
        source.close()


def _source(kind: Kind, place: str, choice: Choice) -> Source:
    if kind == "chroma":
        from pergamum.moving.chroma import Chroma  # noqa: PLC0415  # only who reads Chroma has chromadb, and so on

        return Chroma(place, choice)
    if kind == "qdrant":
        from pergamum.moving.qdrant import Qdrant  # noqa: PLC0415

        return Qdrant(place, choice)
    if kind == "pgvector":
        from pergamum.moving.pgvector import PgVector  # noqa: PLC0415

        return PgVector(place, choice)
    if kind == "lancedb":
        from pergamum.moving.lancedb import LanceDb  # noqa: PLC0415

        return LanceDb(place, choice)
    from pergamum.moving.faiss import Faiss  # noqa: PLC0415

    return Faiss(place, choice)
