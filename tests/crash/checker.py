"""Judging what a database holds after a crash: every acknowledged command, and half of none."""

from collections.abc import Iterator, Mapping, Sequence

from tests.crash.recording import Event, Kind
from tests.crash.workload import Command, Database, Document, Ledger, Library, State


class Broken(AssertionError):
    """A promise was not kept."""


def lane_of(library: str) -> str:
    return library.partition(".")[0]


def check(database: Database, lanes: Mapping[str, Ledger], searches: int = 2) -> State:
    """Return what the database holds. Raises Broken unless each lane's part is a state it may be in.

    In each library `searches` chunks are searched for by their own vectors.
    """
    held = database.dump()
    strangers = {name for name in held if lane_of(name) not in lanes}
    if strangers:
        raise Broken(f"libraries that nobody made: {sorted(strangers)}")
    for lane, ledger in lanes.items():
        part = {name: library for name, library in held.items() if lane_of(name) == lane}
        if not any(part == state for state in ledger.possible):
            raise Broken(f"lane {lane}: {difference(ledger.possible[-1], part)}")
    for name, library in held.items():
        _check_searches(database, name, library, searches)
    return held


def _check_searches(database: Database, name: str, library: Library, searches: int) -> None:
    chunks = [chunk for document in library.documents.values() for chunk in document.chunks.values()]
    for chunk in chunks[:: max(1, len(chunks) // searches)][:searches]:
        text = database.nearest(name, chunk.vector)
        if text not in {other.text for other in chunks if other.vector == chunk.vector}:
            raise Broken(f"{name}: the search for {chunk.text[:40]!r} found {text[:40]!r}")


def difference(expected: State, found: State) -> str:
    """Say in one line where two states differ first."""
    return next(_library_differences(expected, found), "no difference")


def _library_differences(expected: State, found: State) -> Iterator[str]:
    yield from _names("libraries", expected, found)
    for name in expected.keys() & found.keys():
        if expected[name].description != found[name].description:
            yield f"{name}: described {found[name].description!r}, expected {expected[name].description!r}"
        yield from _names(f"documents of {name}", expected[name].documents, found[name].documents)
        for id in expected[name].documents.keys() & found[name].documents.keys():
            yield from _document_differences(f"{name}, {id}", expected[name].documents[id], found[name].documents[id])


def _document_differences(where: str, expected: Document, found: Document) -> Iterator[str]:
    if expected.title != found.title:
        yield f"{where}: titled {found.title!r}, expected {expected.title!r}"
    yield from _names(f"chunks of {where}", expected.chunks, found.chunks)
    for id in expected.chunks.keys() & found.chunks.keys():
        if expected.chunks[id] != found.chunks[id]:
            yield f"{where}, chunk {id}: {str(found.chunks[id])[:150]}, expected {str(expected.chunks[id])[:150]}"


def _names(what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        yield f"{what}: missing {missing[:5]}, unexpected {extra[:5]}"


class Progress:
    """Follows the marks of a recording: `start lane number`, `ack lane number`, `refuse lane number`."""

    def __init__(self, scripts: Mapping[str, Sequence[Command]], starts: Mapping[str, State] | None = None) -> None:
        """The lanes began empty, or with `starts`."""
        self._scripts = scripts
        self.lanes = {lane: Ledger((starts or {}).get(lane)) for lane in scripts}
        self.acknowledged = 0

    def follow(self, event: Event) -> None:
        if event.kind is not Kind.MARK:
            return
        word, lane, number = event.text.split()
        command = self._scripts[lane][int(number)]
        match word:
            case "start":
                self.lanes[lane].start(command)
            case "ack":
                self.lanes[lane].acknowledge(command)
                self.acknowledged += 1
            case "refuse":
                self.lanes[lane].refuse()
