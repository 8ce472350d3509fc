"""A view: an immutable snapshot of one library that a search reads from beginning to end."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.recall import RecallCurve
from pergamum.domain.trial import Trial
from pergamum.domain.vectors import Matrix, Vector
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask
from pergamum.storage.base import LibraryState, VectorStore

if TYPE_CHECKING:  # polars takes a fifth of a second to import: servers that never filter do without
    from pergamum.engine.columns.columns import Columns

EXACT = IndexSpec(IndexKind.BRUTE_FORCE)
"""What is in force where nothing has been built."""


@dataclass(frozen=True, slots=True)
class Made:
    """How the built index came about: what it was asked to be, and how many of its slots were dead even then."""

    spec: IndexSpec
    dead: int


@dataclass(frozen=True, slots=True)
class Built:
    """What a background job brings: an index, how it came about, what it has measured of itself, a trial if any."""

    index: LayeredIndex
    made: Made | None
    curve: RecallCurve | None
    trial: Trial | None = None


@dataclass(frozen=True, slots=True)
class View:
    """The library at `state.position`.

    `index` and `vectors` cover the slots [0, state.next_slot) and are None until the dimension is known; `live` says
    which slots hold a chunk that is fit to be found; `damaged` counts those that do but are not fit. `made` is None
    where the index is a scan alone, `curve` where nothing has been measured, `trial` where `auto` never had a choice,
    `columns` until a filter needed them.
    """

    state: LibraryState
    live: SlotMask = field(default_factory=SlotMask)
    index: LayeredIndex | None = None
    vectors: Matrix | None = None
    damaged: int = 0
    made: Made | None = None
    curve: RecallCurve | None = None
    trial: Trial | None = None
    columns: "Columns | None" = None

    @property
    def active(self) -> IndexSpec:
        """The index that answers searches: its kind and the parameters it was built with."""
        return EXACT if self.made is None else self.made.spec

    @property
    def live_slots(self) -> int:
        """How many slots a search may find."""
        return self.state.next_slot - self.live.dead

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

    def with_columns(self, columns: "Columns | None") -> Self:
        """Return the view with these columns, or with none. REQUIRES: they are of the view's position."""
        return replace(self, columns=columns)

    def in_files(self, older: Self, saved: Self) -> Self:
        """Return the view with what it shares with `older` taken from `saved`, which is `older` out of its files.

        O(blocks of codes). So memory that holds what the files hold is given back.
        """
        mine, before, after = self.index, older.index, saved.index
        assert mine is not None, "an index never goes away"
        assert before is not None, "it has been saved"
        assert after is not None, "it has been saved"
        same_codes = mine.tail.first == after.tail.first == 0
        tail = after.tail if same_codes else None
        return replace(self, index=mine.in_files(tail, after.built if mine.built is before.built else None))

    def with_index(self, built: Built) -> Self:
        """Return the view answered by an index that was made of an earlier view. O(slots that are new since).

        Where both scan from the same slot the codes at hand are kept: they are the same, and they are up to date.
        """
        assert self.index is not None, "an earlier view had an index"
        assert self.vectors is not None, "an index implies vectors"
        if built.index.tail.first == self.index.tail.first:
            index = replace(built.index, tail=self.index.tail)
        else:
            index = built.index.extended(self.vectors[built.index.count : self.index.count])
        return replace(self, index=index, made=built.made, curve=built.curve, trial=built.trial or self.trial)

    def _index_for(self, state: LibraryState) -> LayeredIndex:
        if self.index is not None:
            return self.index
        library = state.library
        assert library.dimension is not None, "the first vector fixes the dimension"
        return LayeredIndex.empty(library.dimension, library.metric)
