"""What the crash tests ask of a database, and what it must hold afterwards: commands on a plain model.

A lane is a sequence of commands sent one after another on libraries of its own, so its state after each command is
known; several lanes may run at once.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

DIMENSION = 8
FILLERS = ("", "", " filler" * 10, " " + "filler" * 350)
"""Ends of texts. The long one is a single word: every check of a keyword index looks at every word of every text."""

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    chunks: Mapping[str, Chunk]


@dataclass(frozen=True, slots=True)
class Library:
    description: str
    documents: Mapping[str, Document] = field(default_factory=dict)


State = Mapping[str, Library]


class Inapplicable(Exception):
    """The command makes no sense in this state: a database that is in it refuses the command."""


class Refused(Exception):
    """The database says that nothing of the command was kept."""


class Unknown(Exception):
    """The database cannot say whether the command was kept (or died, or did not answer)."""


class Database(Protocol):
    """What the crash tests need of a database; `subject.py` gives the real ones, `toy.py` a small one."""

    def do(self, command: "Command") -> None:
        """Carry out and acknowledge. Raises Refused or Unknown."""

    def dump(self) -> State:
        """Return all it holds, having checked that its counts agree with its rows."""

    def nearest(self, library: str, vector: Vector) -> str:
        """Return the text of the chunk nearest to `vector`."""

    def close(self) -> None: ...


def _library(state: State, name: str) -> Library:
    if name not in state:
        raise Inapplicable(name)
    return state[name]


def _with_document(state: State, name: str, id: str, change: Callable[[Document], Document]) -> State:
    library = _library(state, name)
    if id not in library.documents:
        raise Inapplicable(id)
    documents = {**library.documents, id: change(library.documents[id])}
    return {**state, name: replace(library, documents=documents)}


@dataclass(frozen=True, slots=True)
class CreateLibrary:
    name: str
    description: str

    def after(self, state: State) -> State:
        if self.name in state:
            raise Inapplicable(self.name)
        return {**state, self.name: Library(self.description)}


@dataclass(frozen=True, slots=True)
class ChangeLibrary:
    """A new description, and a new name when `new_name` differs from `name`."""

    name: str
    new_name: str
    description: str

    def after(self, state: State) -> State:
        library = _library(state, self.name)
        others = {name: kept for name, kept in state.items() if name != self.name}
        if self.new_name in others:
            raise Inapplicable(self.new_name)
        return {**others, self.new_name: replace(library, description=self.description)}


@dataclass(frozen=True, slots=True)
class DeleteLibrary:
    name: str

    def after(self, state: State) -> State:
        _library(state, self.name)
        return {name: library for name, library in state.items() if name != self.name}


@dataclass(frozen=True, slots=True)
class PutDocuments:
    """Create or replace documents with all their chunks."""

    library: str
    documents: Mapping[str, Document]

    def after(self, state: State) -> State:
        library = _library(state, self.library)
        return {**state, self.library: replace(library, documents={**library.documents, **self.documents})}


@dataclass(frozen=True, slots=True)
class PatchDocument:
    library: str
    id: str
    title: str

    def after(self, state: State) -> State:
        return _with_document(state, self.library, self.id, lambda document: replace(document, title=self.title))


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    library: str
    id: str

    def after(self, state: State) -> State:
        library = _library(state, self.library)
        if self.id not in library.documents:
            raise Inapplicable(self.id)
        documents = {id: document for id, document in library.documents.items() if id != self.id}
        return {**state, self.library: replace(library, documents=documents)}


@dataclass(frozen=True, slots=True)
class PutChunks:
    """Create chunks of a document, or change those that it has."""

    library: str
    document: str
    chunks: Mapping[str, Chunk]

    def after(self, state: State) -> State:
        return _with_document(
            state, self.library, self.document, lambda found: replace(found, chunks={**found.chunks, **self.chunks})
        )


@dataclass(frozen=True, slots=True)
class DeleteChunk:
    library: str
    document: str
    id: str

    def after(self, state: State) -> State:
        def without(found: Document) -> Document:
            if self.id not in found.chunks:
                raise Inapplicable(self.id)
            return replace(found, chunks={id: chunk for id, chunk in found.chunks.items() if id != self.id})

        return _with_document(state, self.library, self.document, without)


Command = (
    CreateLibrary
    | ChangeLibrary
    | DeleteLibrary
    | PutDocuments
    | PatchDocument
    | DeleteDocument
    | PutChunks
    | DeleteChunk
)


class _Author:
    """Writes a script: always a command that applies to the state so far."""

    def __init__(self, lane: str, seed: int) -> None:
        self._lane = lane
        self._rng = random.Random(f"{lane} {seed}")
        self._count = 0

    def next(self, state: State) -> Command:
        self._count += 1
        filled = [name for name, library in state.items() if library.documents]
        if not state or (len(state) < 4 and self._rng.random() < 0.04):
            return CreateLibrary(f"{self._lane}.{self._count}", f"made by {self._count}")
        if not filled or self._rng.random() < 0.45:
            return self._put(self._rng.choice(list(state)), state)
        if self._rng.random() < 0.08:
            return self._on_library(self._rng.choice(list(state)))
        return self._on_document(state, self._rng.choice(filled))

    def _put(self, name: str, state: State) -> Command:
        known = list(state[name].documents)
        ids = dict.fromkeys(self._id(known) for _ in range(self._rng.choice((1, 1, 1, 5))))
        return PutDocuments(name, {id: self._document(id) for id in ids})

    def _id(self, known: list[str]) -> str:
        if known and self._rng.random() < 0.4:
            return self._rng.choice(known)
        return f"d{self._rng.randrange(10_000)}"

    def _on_library(self, name: str) -> Command:
        match self._rng.randrange(3):
            case 0:
                return DeleteLibrary(name)
            case 1:
                return ChangeLibrary(name, f"{self._lane}.{self._count}", f"renamed by {self._count}")
            case _:
                return ChangeLibrary(name, name, f"described by {self._count}")

    def _on_document(self, state: State, name: str) -> Command:
        id = self._rng.choice(list(state[name].documents))
        chunks = list(state[name].documents[id].chunks)
        match self._rng.randrange(5):
            case 0:
                return DeleteDocument(name, id)
            case 1:
                return PatchDocument(name, id, f"title {self._count}")
            case 2 if len(chunks) > 1:
                return DeleteChunk(name, id, self._rng.choice(chunks))
            case 3 if chunks:
                return PutChunks(name, id, {self._rng.choice(chunks): self._chunk("changed")})
            case _:
                added = range(self._rng.randint(1, 3))
                return PutChunks(name, id, {f"{id}/{self._count}.{i}": self._chunk("added") for i in added})

    def _document(self, id: str) -> Document:
        count = self._rng.choice((1, 2, 2, 3, 12))
        return Document(f"title {self._count}", {f"{id}/{i}": self._chunk(id) for i in range(count)})

    def _chunk(self, word: str) -> Chunk:
        vector = tuple(self._rng.randint(-1000, 1000) / 8 for _ in range(DIMENSION))
        text = f"{self._lane} {self._count} {word} {self._rng.random()}" + self._rng.choice(FILLERS)
        return Chunk(text, vector)


def script(lane: str, length: int, seed: int = 0) -> list[Command]:
    """Return `length` commands, each of which applies to the state that those before it make."""
    author, state, commands = _Author(lane, seed), dict[str, Library](), list[Command]()
    for _ in range(length):
        commands.append(author.next(state))
        state = dict(commands[-1].after(state))
    return commands


def afterwards(lane: str, libraries: Iterable[str]) -> list[Command]:
    """Return commands that show that the libraries, and the catalogue, take writes again after a crash."""
    document = Document("afterwards", {"after/0": Chunk("after the fault", (1.0,) * DIMENSION)})
    return [CreateLibrary(f"{lane}.after", ""), *(PutDocuments(name, {"after": document}) for name in libraries)]


class Ledger:
    """What a lane's libraries may hold, as its commands are started and settled.

    After a command with no clear outcome there is more than one possibility, until a later command or a dump tells.
    """

    def __init__(self, state: State | None = None) -> None:
        self.possible: list[State] = [state or {}]
        self._before = self.possible

    def start(self, command: Command) -> None:
        self._before = self.possible
        self.possible = [*self._before, *_after(self._before, command)]

    def acknowledge(self, command: Command) -> None:
        self.possible = self._before = _after(self._before, command)
        assert self.possible, f"acknowledged, but it could not apply: {command}"

    def refuse(self) -> None:
        self.possible = self._before

    def is_done(self, command: Command, state: State) -> bool:
        """Whether the command, the last one started, took effect, if its libraries hold `state` now."""
        return state in _after(self._before, command)

    def found(self, state: State) -> None:
        """The lane's libraries hold `state`, which is one of the possible."""
        self.possible = self._before = [state]


def applies(command: Command, state: State) -> bool:
    return bool(_after([state], command))


def _after(states: Sequence[State], command: Command) -> list[State]:
    results = []
    for state in states:
        try:
            results.append(command.after(state))
        except Inapplicable:
            continue
    return results


Tell = Callable[[str], None]


def untold(word: str) -> None:
    """Tell nobody."""


def about(tell: Tell, lane: str, number: int) -> Tell:
    """Return what tells a word about one command of a lane, as `Progress` reads it."""

    def told(word: str) -> None:
        tell(f"{word} {lane} {number}")

    return told


def carry_out(database: Database, command: Command, ledger: Ledger, tell: Tell = untold) -> Refused | Unknown | None:
    """Send one command; keep the ledger and tell what happens. Return why it was not acknowledged, or None."""
    tell("start")
    ledger.start(command)
    try:
        database.do(command)
    except Refused as refused:
        ledger.refuse()
        tell("refuse")
        return refused
    except Unknown as unknown:
        return unknown
    ledger.acknowledge(command)
    tell("ack")
    return None
