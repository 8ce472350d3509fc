"""A view: an immutable snapshot of one library that a search reads from beginning to end."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from pergamum.domain.vectors import Matrix, Vector
from pergamum.index import factory
from pergamum.index.base import Neighbours, VectorIndex
from pergamum.index.mask import SlotMask
from pergamum.storage.base import LibraryState, VectorStore


@dataclass(frozen=True, slots=True)
class View:
    """The library at `state.position`.

    `index` and `vectors` cover the slots [0, state.next_slot) and are None until the dimension is known; `live` says
    which slots hold a chunk that is fit to be found; `damaged` counts those that do but are not fit.
    """

    state: LibraryState
    live: SlotMask = field(default_factory=SlotMask)
    index: VectorIndex | None = None
    vectors: Matrix | None = None
    damaged: int = 0

    def search(self, queries: Matrix, k: int) -> Neighbours:
        """Return the k nearest live slots for each query, shape (m, k); see `index.base.Neighbours`."""
        if self.index is None or self.vectors is None:
            shape = (len(queries), k)
            return Neighbours(np.full(shape, -1, np.int64), np.full(shape, np.inf))
        return self.index.search(queries, k, self.vectors, self.live)

    def vector(self, slot: int) -> Vector:
        """Return a copy of the vector in `slot`. REQUIRES: the slot is below next_slot."""
        assert self.vectors is not None, "a slot in use implies vectors"
        return np.array(self.vectors[slot])

    def following(self, state: LibraryState, added: Matrix | None, dead: Sequence[int], store: VectorStore) -> Self:
        """Return the view after one more group of commands. O(what changed).

        `added` are the vectors in the slots from this view's next_slot on; `store` holds them already.
        """
        live = self.live.without(dead)
        if added is None:
            return replace(self, state=state, live=live)
        index = self._index_for(state).extended(added)
        return replace(self, state=state, live=live, index=index, vectors=store.matrix(state.next_slot))

    def without(self, damaged: Sequence[int]) -> Self:
        """Return the view with chunks left out whose stored bytes are damaged."""
        return replace(self, live=self.live.without(damaged), damaged=self.damaged + len(damaged))

    def _index_for(self, state: LibraryState) -> VectorIndex:
        if self.index is not None:
            return self.index
        library = state.library
        assert library.dimension is not None, "the first vector fixes the dimension"
        return factory.empty(library.index.active, library.dimension, library.metric)
