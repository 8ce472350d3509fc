"""Searching by what is stored: the vector that stands for some chunks and documents, and against others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pergamum.domain.search_options import Examples
from pergamum.domain.vectors import Metric, Vector
from pergamum.engine.diversity import unit_rows
from pergamum.engine.fusion import Doubles, Slots
from pergamum.engine.view import View
from pergamum.errors import ChunkNotFound, DocumentNotFound, InvalidField
from pergamum.storage.base import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The vector to search for, (d,), and the slots of the examples, which are not to be found."""

    vector: Vector
    slots: Slots


def target(view: View, rows: Rows, examples: Examples) -> Target:
    """Return p, or p + (p - n): p is the mean of what the hits are to be like, n of what they are to be unlike.

    A document stands for the mean of its chunks; the same id twice counts once. Under cosine each vector counts by its
    direction only. Raises `ChunkNotFound`, `DocumentNotFound`, `InvalidField` for a document without chunks, and what
    is wrong with a vector that cannot be searched for. REQUIRES: `rows` are at the position of the view.
    """
    like = [*_of_chunks(rows, examples.chunks), *_of_documents(rows, "documents", examples.documents)]
    unlike = [*_of_chunks(rows, examples.not_chunks), *_of_documents(rows, "not_documents", examples.not_documents)]
    mean = _mean(view, like)
    aim = mean + (mean - _mean(view, unlike)) if unlike else mean
    if view.state.library.metric is Metric.COSINE:
        aim = aim / (np.linalg.norm(aim) or 1.0)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which the check refuses
        vector = aim.astype(np.float32)
    view.state.library.check(vector)
    return Target(vector, np.unique(np.concatenate([*like, *unlike])))


def _of_chunks(rows: Rows, ids: Sequence[str]) -> Iterator[Slots]:
    found = rows.chunks_by_id(list(dict.fromkeys(ids)))
    for chunk_id in dict.fromkeys(ids):
        if chunk_id not in found:
            raise ChunkNotFound(chunk_id)
        yield np.array([found[chunk_id].slot], np.int64)


def _of_documents(rows: Rows, name: str, ids: Sequence[str]) -> Iterator[Slots]:
    for document_id in dict.fromkeys(ids):
        slots = rows.slots_of(document_id)
        if len(slots):
            yield slots
        elif rows.document(document_id) is None:
            raise DocumentNotFound(document_id)
        else:
            raise InvalidField(f"like.{name}", f"document {document_id!r} has no chunks")


def _mean(view: View, examples: Sequence[Slots]) -> Doubles:
    """Return the mean over examples, (d,), each the mean of its vectors."""
    assert view.vectors is not None, "a stored chunk has a vector"
    means = []
    for slots in examples:
        vectors = view.vectors[slots]
        wide = unit_rows(vectors) if view.state.library.metric is Metric.COSINE else vectors.astype(np.float64)
        means.append(wide.mean(axis=0))
    mean: Doubles = np.mean(means, axis=0)
    return mean
