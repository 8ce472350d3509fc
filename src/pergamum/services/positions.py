"""Which position reads of a library see, in a process that only reads."""

from uuid import UUID

from pergamum.engine.reader_catalog import ReaderCatalog


class ReaderPositions:
    """Threads: any. Raises `Elsewhere` for what the writer has to be asked."""

    def __init__(self, catalog: ReaderCatalog) -> None:
        self._catalog = catalog

    def id_of(self, reference: str) -> UUID:
        """Return the library's id."""
        return self._catalog.resolve(reference)

    def position_if_open(self, reference: str) -> int | None:
        """Return the position that reads see now."""
        return self.position(reference)

    def position(self, reference: str) -> int:
        """Return the position that reads see now."""
        return self._catalog.position(self._catalog.resolve(reference))
