"""Where a write stands: what a later read may ask to see."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Token:
    """A position of a library. Written `<uuid of the library>:<position>`."""

    library_id: UUID
    position: int

    def __str__(self) -> str:
        return f"{self.library_id}:{self.position}"
