"""What can be asked about the server as a whole."""

from pergamum.engine.catalog import Catalog, Health


class SystemService:
    """Threads: any."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def health(self) -> Health:
        """Return what an operator wants to know at a glance."""
        return self._catalog.health()

    def chunks(self) -> dict[str, int]:
        """Return how many chunks each open library holds, by its name."""
        states = [live.view.state for live in self._catalog.open_libraries()]
        return {state.library.name: state.chunks for state in states}
