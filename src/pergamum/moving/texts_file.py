"""Texts and metadata of vectors that have none: a JSONL file, looked up by id or by line."""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.moving.base import TEXT_NAMES, CannotMove, Choice
from pergamum.moving.place import file

Numbers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """What the file says of a vector; `id` is the name it gives to it."""

    id: str | None
    text: str | None
    metadata: Mapping[str, object]


class TextsFile:
    """One JSON object a line. Takes 16 bytes of memory a line.

    Where the first line has an `id` that is a number, lines belong to the vectors with these ids, else each to the
    vector in its place, and an `id` that is a text is the name of the vector.
    """

    def __init__(self, path: Path, choice: Choice) -> None:
        self._path = path
        self._id = choice.id or "id"
        self._texts = (choice.text,) if choice.text is not None else TEXT_NAMES
        self._metadata = choice.metadata
        self._file: BinaryIO = path.open("rb")
        try:
            self._starts, self._numbers = self._scan()
        except CannotMove:
            self._file.close()
            raise

    def of(self, number: int, id: int) -> Known | None:
        """Return what is known of the vector that was added as this number and with this id."""
        line = number if self._numbers is None else _place(self._numbers, id)
        if line is None or not 0 <= line < len(self._starts):
            return None
        self._file.seek(int(self._starts[line]))
        return self._known(self._parsed(self._file.readline(), line + 1))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _scan(self) -> tuple[Numbers, Numbers | None]:
        """Return where each line begins, and the ids by line where they are numbers; both by ascending id then."""
        starts, ids = array("q"), array("q")
        at, by_id = 0, False
        for number, line in enumerate(self._file, start=1):
            if not line.isspace():
                id = _number(self._parsed(line, number).get(self._id))
                by_id = by_id or (not starts and id is not None)
                if by_id and id is None:
                    raise CannotMove(f"{self._path}: line {number} has no number as its {self._id!r}, the first has")
                starts.append(at)
                ids.append(id if by_id and id is not None else 0)
            at += len(line)
        if not by_id:
            return np.asarray(starts), None
        order = np.argsort(np.asarray(ids), kind="stable")
        return np.asarray(starts)[order], np.asarray(ids)[order]

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise CannotMove(f"{self._path}: line {number} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise CannotMove(f"{self._path}: line {number} is not a JSON object")
        return found

    def _known(self, found: dict[str, Any]) -> Known:
        id = found.pop(self._id, None)
        name = next((name for name in self._texts if isinstance(found.get(name), str)), None)
        text = None if name is None else found.pop(name)
        inner = found.pop(self._metadata, None) if self._metadata is not None else None
        return Known(id if isinstance(id, str) else None, text, found | inner if isinstance(inner, dict) else found)


class NoTexts:
    """Nothing is known of any vector."""

    def of(self, number: int, id: int) -> Known:  # noqa: ARG002  # the same for every vector
        """Return nothing."""
        return Known(None, None, {})

    def close(self) -> None:
        """Nothing is open."""


def texts_beside(index: Path, choice: Choice) -> TextsFile | NoTexts:
    """Return the chosen file, or the one beside the index that has its name and ends in .jsonl."""
    if choice.texts is not None:
        return TextsFile(file(choice.texts), choice)
    beside = index.with_suffix(".jsonl")
    return TextsFile(beside, choice) if beside.is_file() else NoTexts()


def _place(numbers: Numbers, wanted: int) -> int | None:
    """Return where the number stands. REQUIRES: ascending."""
    at = int(np.searchsorted(numbers, wanted))
    return at if at < len(numbers) and numbers[at] == wanted else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
