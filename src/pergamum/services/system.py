"""What can be asked about the server as a whole."""

from pergamum.engine.catalog import Catalog, Health
from pergamum.engine.live_recall import LiveRecallFigure


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

    def recalls(self) -> dict[str, tuple[LiveRecallFigure, ...]]:
        """Return the recall that searches of each open library turned out to have, by its name."""
        return {live.view.state.library.name: live.live_recall.figures() for live in self._catalog.open_libraries()}
