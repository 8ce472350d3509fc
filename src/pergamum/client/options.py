"""What may be said of a single call besides what it is about."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict


class ReadOptions(TypedDict, total=False):
    """`timeout`: how many seconds may pass until the whole answer is there, in place of the client's."""

    timeout: float


class WriteOptions(ReadOptions, total=False):
    """`idempotency_key`: writes with one key are one write, however often they are sent, for 24 hours.

    Without one the client makes a key for each call, so that its own repetitions are safe.
    """

    idempotency_key: str


class ChangeOptions(WriteOptions, total=False):
    """`if_match`: an `etag`; the change is refused with `Conflict` when what is stored has another one by then."""

    if_match: str


NO_OPTIONS: Final = ChangeOptions()
_NAMES: Final = frozenset(ChangeOptions.__annotations__)


def parted(given: Mapping[str, object]) -> tuple[Any, ChangeOptions]:
    """Return the fields of what is sent, and the options of the call that were given beside them."""
    options = ChangeOptions(**{name: value for name, value in given.items() if name in _NAMES})  # type: ignore[typeddict-item]  # checked where they were given
    return {name: value for name, value in given.items() if name not in _NAMES}, options
