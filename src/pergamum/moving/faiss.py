"""Vectors of a faiss index file; their texts and metadata from a JSONL file beside it."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import faiss
import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Metric, Vector
from pergamum.moving.base import About, CannotMove, Choice, Cursor, Page, Row
from pergamum.moving.place import file
from pergamum.moving.texts_file import texts_beside

Numbers: TypeAlias = npt.NDArray[np.int64]
Vectors: TypeAlias = npt.NDArray[np.float32]

_METRICS: Final = {faiss.METRIC_INNER_PRODUCT: Metric.DOT, faiss.METRIC_L2: Metric.L2}
_EXACT: Final = (faiss.IndexFlat, faiss.IndexHNSWFlat, faiss.IndexNSGFlat, faiss.IndexIVFFlat)


class Faiss:
    """The vectors in the order in which the index keeps them; the cursor is how many were read.

    The file is mapped into memory where this release of faiss can. A vector's id is the one it was added with.
    """

    def __init__(self, place: str, choice: Choice) -> None:
        if choice.collection is not None or choice.vector is not None:
            raise CannotMove("a faiss file is one index of one vector a row; leave the option out")
        path = file(place)
        try:
            self._owner = faiss.read_index(str(path), getattr(faiss, "IO_FLAG_MMAP_IFC", 0))
        except RuntimeError as error:
            raise CannotMove(f"{place!r} is no file that faiss reads: {_last_line(error)}") from error
        outer = faiss.downcast_index(self._owner)
        self._ids: Numbers | None = None
        if isinstance(outer, faiss.IndexIDMap):
            self._ids = faiss.vector_to_array(outer.id_map)
        self._index = _holder(outer)
        self._texts = texts_beside(path, choice)
        exact = isinstance(self._index, _EXACT) and not isinstance(outer, faiss.IndexPreTransform)
        self.about = About(
            name=place,
            count=int(outer.ntotal),
            dimension=int(outer.d),
            metric=_METRICS.get(outer.metric_type),
            notes=()
            if exact
            else (f"{type(self._index).__name__} keeps codes: the vectors are what it makes of them",),
        )

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        """Yield pages in the order of the index."""
        read = int(after or 0)
        parts = self._of_lists(read, size) if isinstance(self._index, faiss.IndexIVF) else self._in_order(read, size)
        for numbers, vectors in parts:
            ids = numbers if self._ids is None else self._ids[numbers]
            rows = [self._row(*each) for each in zip(numbers.tolist(), ids.tolist(), vectors, strict=True)]
            read += len(rows)
            yield Page(rows, read)

    def close(self) -> None:
        """Let go of the files."""
        self._texts.close()

    def _row(self, number: int, id: int, vector: Vector) -> Row:
        known = self._texts.of(number, id)
        if known is None:
            return Row(id=str(id), vector=vector, text=None, metadata={}, left=("no line in the file of texts",))
        return Row(id=known.id or str(id), vector=vector, text=known.text, metadata=known.metadata)

    def _in_order(self, start: int, size: int) -> Iterator[tuple[Numbers, Vectors]]:
        """Yield the numbers and the vectors of an index that numbers its vectors from 0."""
        for first in range(start, self._index.ntotal, size):
            many = min(size, self._index.ntotal - first)
            yield np.arange(first, first + many, dtype=np.int64), self._index.reconstruct_n(first, many)

    def _of_lists(self, start: int, size: int) -> Iterator[tuple[Numbers, Vectors]]:
        """Yield the numbers and the vectors of an inverted file, list by list."""
        lists = self._index.invlists
        passed = 0
        for number in range(lists.nlist):
            length = lists.list_size(number)
            begin, passed = max(start - passed, 0), passed + length
            for first in range(begin, length, size):
                many = min(size, length - first)
                yield _numbers_of(lists, number, first, many), self._of_list(number, first, many)

    def _of_list(self, number: int, first: int, many: int) -> Vectors:
        vectors = np.empty((many, self._index.d), np.float32)
        for at in range(many):
            self._index.reconstruct_from_offset(number, first + at, faiss.swig_ptr(vectors[at]))
        return vectors


def _numbers_of(lists: Any, number: int, first: int, many: int) -> Numbers:  # noqa: ANN401 - faiss has no types
    stored: Numbers = faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))
    return stored[first : first + many].copy()


def _holder(outer: Any) -> Any:  # noqa: ANN401 - faiss has no types
    """Return the index that holds the vectors. Raises `CannotMove` for one that cannot give them back."""
    index = faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexIDMap) else outer
    if isinstance(index, faiss.IndexRefine):
        index = faiss.downcast_index(index.refine_index)
    if isinstance(index, faiss.IndexIVF) or not index.ntotal:
        return index
    try:
        index.reconstruct(0)
    except RuntimeError as error:
        raise CannotMove(f"{type(index).__name__} cannot give its vectors back: {_last_line(error)}") from error
    return index


def _last_line(error: RuntimeError) -> str:
    return str(error).rsplit(": ", 1)[-1]
