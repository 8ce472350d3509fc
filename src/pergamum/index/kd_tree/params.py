"""Parameters of the kd-tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pergamum.errors import InvalidField

MIN_LEAF_SIZE = 8
MAX_LEAF_SIZE = 512
DEFAULT_LEAF_SIZE = 32


@dataclass(frozen=True, slots=True)
class KdTreeParams:
    """`leaf_size`: points a leaf, scanned together. Smaller leaves mean fewer points scanned, and more boxes opened."""

    leaf_size: int = DEFAULT_LEAF_SIZE

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """Return checked parameters; what is not given has its default. Raises `InvalidField`."""
        for name in params:
            if name != "leaf_size":
                raise InvalidField(f"index.params.{name}", "kd_tree takes one parameter, leaf_size")
        return cls(_leaf_size(params.get("leaf_size", DEFAULT_LEAF_SIZE)))


def _leaf_size(value: object) -> int:
    """Return `value` if it is a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not MIN_LEAF_SIZE <= value <= MAX_LEAF_SIZE:
        reason = f"must be a whole number from {MIN_LEAF_SIZE} to {MAX_LEAF_SIZE}"
        raise InvalidField("index.params.leaf_size", reason)
    return value
