"""Which version of a thing a client has seen, and the writes that are made only if it is still that one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def etag_of(version: int, created_at: datetime) -> str:
    """Return what tells this version from every other: one that is deleted and made again starts at another time."""
    return f"{version}-{(created_at - _EPOCH) // _MICROSECOND:x}"


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The versions a write may meet: one of `etags`, or any that exists where that is None."""

    etags: tuple[str, ...] | None

    def allows(self, current: str | None) -> bool:
        """Whether the write may be made; `current` is the etag of what is stored, None when nothing is."""
        return current is not None and (self.etags is None or current in self.etags)
