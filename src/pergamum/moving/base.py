"""What every source of rows promises, and what a row is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.fields import ScalarType
from pergamum.domain.vectors import Metric, Vector

Cursor: TypeAlias = int | str | None
"""After which row to go on, in a source's own terms; None: before the first."""

TEXT_NAMES: Final = ("text", "document", "content", "page_content", "body", "chunk")
"""Where a text is looked for when nobody says where it is: the first of these that there is."""


class CannotMove(Exception):
    """The place cannot be read, or it is not said which part of it is meant. The message holds no secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a place is to be moved; None: what there is, where that is clear.

    `collection` is a collection or a table, the others are names of fields or columns: of the id, the vector, the text,
    of an object whose entries are metadata, and of what names the document a row belongs to. `texts` is a file of texts
    and metadata beside an index that has only vectors. `metric` replaces the source's.
    """

    collection: str | None = None
    id: str | None = None
    vector: str | None = None
    text: str | None = None
    metadata: str | None = None
    document: str | None = None
    texts: str | None = None
    metric: Metric | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a source before a row is read.

    `name` is for people and holds no secrets. `count` is how many rows there are, None when nobody knows. `metric` is
    None where the source has none or one that Pergamum has not. `types` are the declared types of fields whose values
    alone do not show them, such as times that are spelled as text. `left` says what of the collection stays behind,
    `notes` what is good to know.
    """

    name: str
    count: int | None
    dimension: int | None
    metric: Metric | None
    types: Mapping[str, ScalarType] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row as the source has it; metadata may hold values that JSON has not.

    `url` is where the thing itself lies. `left` names parts that have no place here, such as a sparse vector.
    """

    id: str | None
    vector: Vector | None
    text: str | None
    metadata: Mapping[str, object]
    url: str | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the cursor after the last of them."""

    rows: Sequence[Row]
    cursor: Cursor


class Source(Protocol):
    """Rows in an order that stays the same while nobody writes to the source. Used by one thread. Close it."""

    @property
    def about(self) -> About:
        """What is known before a row is read."""

    def pages(self, after: Cursor, size: int) -> Iterator[Page]:
        """Yield the rows after the cursor, at most `size` at a time, one page in memory. Raises `CannotMove`."""

    def close(self) -> None:
        """Let go of files and connections."""


def as_vector(numbers: Sequence[float] | npt.NDArray[np.generic]) -> Vector:
    """Return the numbers as float32; what is beyond float32 becomes infinity, which is refused later."""
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float32)


def chosen(what: str, names: Sequence[str], choice: str | None, option: str) -> str:
    """Return the one that is chosen, or the only one. Raises `CannotMove`, which says what there is."""
    known = ", ".join(sorted(names)) or "none"
    if choice is not None:
        if choice not in names:
            raise CannotMove(f"there is no {what} {choice!r}; there are: {known}")
        return choice
    if len(names) != 1:
        raise CannotMove(f"choose the {what} with {option}; there are: {known}")
    return names[0]
