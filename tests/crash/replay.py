"""What a disk may hold after a power cut, worked out from a recording.

The model is deliberately harsher than any one file system:

- Bytes are durable after a successful fsync or fdatasync of their file that began after the write returned. Until then
  every 512-byte sector holds, each on its own, any version it ever had since: dropped, kept, reordered, torn.
- A file's length is durable with the same sync; until then any length it had since may be found, and the bytes of an
  extension that did not arrive read as zeros. Bytes not written are kept (powersafe overwrite).
- A name (create, rename, unlink, mkdir) is durable after a sync of its folder; until then it may be kept or dropped,
  each on its own. A rename is atomic; one between two folders waits for the sync of both.
- What was dirty when a sync failed is lost, or was written in part: the kernel takes the pages for clean, so a later
  successful sync does not write them. Readers still see it in the page cache, and a later write to the same 4 KiB page
  takes it along.
- `-shm` files are not rebuilt: SQLite makes them anew when the first connection opens the database.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.crash.recording import CREATED, FOLDER, TRUNCATED, Event, Kind

SECTOR = 512
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Write:
    at: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """A new length. `only_grows`: a length below the present one changes nothing (fallocate)."""

    at: int
    length: int
    only_grows: bool


Change = Write | Resize


class Chance:
    """Which unsynced changes reached the disk. One of: none, all, all before a moment, by coin, by coin per sector."""

    def __init__(self, rng: random.Random, now: int) -> None:
        self._rng = rng
        self.style = rng.choice(("none", "all", "before", "coin", "torn"))
        self._share = rng.choice((0.1, 0.5, 0.9))
        self._moment = max(0, now - int(rng.expovariate(1 / 12)))

    def keeps(self, at: int) -> bool:
        match self.style:
            case "none":
                return False
            case "all":
                return True
            case "before":
                return at < self._moment
            case _:
                return self._rng.random() < self._share

    def keeps_sectors(self, at: int, count: int) -> list[bool]:
        if self.style == "torn":
            return [self._rng.random() < self._share for _ in range(count)]
        return [self.keeps(at)] * count


class File:
    """A file's bytes: as the disk surely has them, as readers see them, and the changes between."""

    __slots__ = ("disk", "pending", "seen", "tainted")

    def __init__(self) -> None:
        self.disk = bytearray()
        self.seen = bytearray()
        self.pending: list[Change] = []
        self.tainted = False

    def write(self, at: int, offset: int, data: bytes) -> None:
        _put(self.seen, offset, data)
        if self.tainted:  # a whole page goes to the disk, with what a failed sync left in it
            first, last = offset // PAGE * PAGE, -(-(offset + len(data)) // PAGE) * PAGE
            offset, data = first, bytes(self.seen[first:last])
        self.pending.append(Write(at, offset, data))

    def resize(self, at: int, length: int, *, only_grows: bool) -> None:
        _resize(self.seen, length, only_grows=only_grows)
        self.pending.append(Resize(at, length, only_grows))

    def settle(self, before: int) -> None:
        """A sync that began at `before` succeeded."""
        settled = [change for change in self.pending if change.at < before]
        for change in settled:
            if isinstance(change, Write):
                _put(self.disk, change.offset, change.data)
            else:
                _resize(self.disk, change.length, only_grows=change.only_grows)
        del self.pending[: len(settled)]

    def lose(self, chance: Chance) -> None:
        """A sync failed: what `chance` drops now will never be written by a later one."""
        self.disk = bytearray(self.after(chance))
        self.pending.clear()
        self.tainted = True

    def after(self, chance: Chance) -> bytes | bytearray:
        """Return what the file may hold after a power cut now."""
        if not self.pending or chance.style == "none":
            return self.disk
        if chance.style == "all" and not self.tainted:
            return self.seen
        return _Survivor(self.disk, chance).of(self.pending)


class _Survivor:
    """Applies the changes that survive. Once a sector misses a write it keeps its older version for good."""

    def __init__(self, disk: bytearray, chance: Chance) -> None:
        self._data, self._length, self._chance = bytearray(disk), len(disk), chance
        self._frozen: set[int] = set()
        self._end: int | None = None  # a shrinking that did not happen: what came later beyond it has no home

    def of(self, changes: Sequence[Change]) -> bytearray:
        for change in changes:
            if isinstance(change, Write):
                self._write(change)
            else:
                self._resize(change)
        _resize(self._data, self._length, only_grows=False)
        return self._data

    def _write(self, change: Write) -> None:
        data = change.data if self._end is None else change.data[: max(0, self._end - change.offset)]
        if not data:
            return
        first, last = change.offset // SECTOR, (change.offset + len(data) - 1) // SECTOR
        kept = self._chance.keeps_sectors(change.at, last - first + 1)
        if all(kept) and not self._frozen:
            _put(self._data, change.offset, data)
        else:
            for sector, keeps in enumerate(kept, first):
                self._write_sector(sector, change.offset, data, keeps=keeps)
        if change.offset + len(data) > self._length and self._chance.keeps(change.at):
            self._length = change.offset + len(data)

    def _write_sector(self, sector: int, offset: int, data: bytes, *, keeps: bool) -> None:
        if not keeps:
            self._frozen.add(sector)
        if sector in self._frozen:
            return
        start, end = max(offset, sector * SECTOR), min(offset + len(data), (sector + 1) * SECTOR)
        _put(self._data, start, data[start - offset : end - offset])

    def _resize(self, change: Resize) -> None:
        kept = self._end is None and self._chance.keeps(change.at)
        if change.length >= self._length or change.only_grows:
            self._length = max(self._length, change.length) if kept else self._length
        elif kept:
            del self._data[change.length :]
            self._frozen = {sector for sector in self._frozen if sector * SECTOR < change.length}
            self._length = change.length
        else:
            self._end = change.length if self._end is None else min(self._end, change.length)


class Folder:
    """A folder's names: as the disk surely has them, and as they are seen."""

    __slots__ = ("disk", "seen")

    def __init__(self) -> None:
        self.disk: dict[str, Node] = {}
        self.seen: dict[str, Node] = {}


Node = File | Folder


@dataclass(frozen=True, slots=True)
class Edit:
    """One name of one folder gets a node, or (`node` None) loses `was`."""

    folder: Folder
    name: str
    node: Node | None
    was: Node | None

    def apply(self, names: dict[str, Node]) -> None:
        if self.node is not None:
            names[self.name] = self.node
        elif names.get(self.name) is self.was:
            names.pop(self.name, None)


@dataclass(frozen=True, slots=True)
class Naming:
    """Edits that happen together or not at all, and the folders whose sync they still wait for."""

    at: int
    edits: tuple[Edit, ...]
    waiting: list[Folder] = field(default_factory=list)


class Disk:
    """Follows a recording event by event; `write_image` writes what a power cut now may leave."""

    def __init__(self, seed: int = 0, start: Path | None = None) -> None:
        """The recording began with an empty folder, or with what is in the folder `start`, all of it durable."""
        self.root = Folder()
        if start is not None:
            _load(start, self.root)
        self.now = 0
        self._rng = random.Random(seed)
        self._handles: dict[int, Node] = {}
        self._syncs: dict[tuple[int, int], int] = {}
        self._namings: list[Naming] = []

    # -- following ------------------------------------------------------------------------------------------------

    def follow(self, event: Event) -> None:
        self.now += 1
        match event.kind:
            case Kind.OPEN:
                self._open(event)
            case Kind.WRITE:
                self._file(event).write(self.now, event.offset, event.payload)
            case Kind.TRUNCATE | Kind.ALLOCATE:
                self._file(event).resize(self.now, event.offset, only_grows=event.kind is Kind.ALLOCATE)
            case Kind.SYNC_BEGIN:
                self._syncs[event.process, event.offset] = self.now
            case Kind.SYNC_END:
                self._synced(event, self._syncs.pop((event.process, event.offset)))
            case Kind.MKDIR:
                self._name((event.text, Folder()))
            case Kind.UNLINK | Kind.RMDIR:
                self._name((event.text, None))
            case Kind.RENAME | Kind.LINK:
                self._move(event)
            case Kind.MARK | Kind.FAULT:
                pass

    def _file(self, event: Event) -> File:
        node = self._handles[event.handle]
        assert isinstance(node, File)
        return node

    def _open(self, event: Event) -> None:
        if event.flags & CREATED:
            self._name((event.text, File()))
        node = self._find(event.text, folder=bool(event.flags & FOLDER))
        self._handles[event.handle] = node
        if event.flags & TRUNCATED and isinstance(node, File):
            node.resize(self.now, 0, only_grows=False)

    def _find(self, path: str, *, folder: bool) -> Node:
        node: Node = self.root
        for name in PurePosixPath(path).parts:
            assert isinstance(node, Folder)
            node = node.seen[name]
        assert isinstance(node, Folder) == folder
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        parent = self._find(str(PurePosixPath(path).parent), folder=True)
        assert isinstance(parent, Folder)
        return parent, PurePosixPath(path).name

    def _edit(self, path: str, node: Node | None) -> Edit:
        parent, name = self._parent(path)
        return Edit(parent, name, node, parent.seen.get(name))

    def _name(self, *named: tuple[str, Node | None]) -> None:
        """Give each path its node, or (None) take the name away: all of it one change."""
        edits = tuple(self._edit(path, node) for path, node in named)
        folders = list({id(edit.folder): edit.folder for edit in edits}.values())
        self._namings.append(Naming(self.now, edits, folders))
        for edit in edits:
            edit.apply(edit.folder.seen)

    def _move(self, event: Event) -> None:
        source, target = event.text.split("\0")
        assert "" not in {source, target}, "a move across the border of the recorded folder"
        parent, name = self._parent(source)
        node = parent.seen[name]
        if event.kind is Kind.LINK:
            self._name((target, node))
        else:
            self._name((target, node), (source, None))

    def _synced(self, event: Event, begun: int) -> None:
        node = self._handles[event.handle]
        if isinstance(node, Folder):
            if not event.error:
                self._names_synced(node, begun)
        elif event.error:
            node.lose(Chance(self._rng, self.now))
        else:
            node.settle(begun)

    def _names_synced(self, folder: Folder, begun: int) -> None:
        left = []
        for naming in self._namings:
            if naming.at < begun and folder in naming.waiting:
                naming.waiting.remove(folder)
            if naming.waiting:
                left.append(naming)
                continue
            for edit in naming.edits:
                edit.apply(edit.folder.disk)
        self._namings = left

    # -- images ---------------------------------------------------------------------------------------------------

    def write_image(self, target: Path, seed: int) -> None:
        """Write to the new folder `target` what a power cut now may leave; the same seed writes the same."""
        chance = Chance(random.Random(seed), self.now)
        names: dict[Folder, dict[str, Node]] = {}
        for naming in self._namings:
            if chance.keeps(naming.at):
                for edit in naming.edits:
                    edit.apply(names.setdefault(edit.folder, dict(edit.folder.disk)))
        target.mkdir()
        self._write_folder(target, self.root, names, chance)

    def _write_folder(self, target: Path, folder: Folder, names: dict[Folder, dict[str, Node]], chance: Chance) -> None:
        for name, node in names.get(folder, folder.disk).items():
            if name.endswith("-shm"):
                continue
            if isinstance(node, File):
                (target / name).write_bytes(node.after(chance))
            else:
                (target / name).mkdir()
                self._write_folder(target / name, node, names, chance)

    def differences(self, folder: Path) -> list[str]:
        """Return how `folder` differs from what was recorded: anything means that the recorder missed something."""
        return list(_differences(folder, self.root, ""))


def cuts(events: Sequence[Event], count: int, seed: int) -> list[int]:
    """Choose `count` moments, in order: half anywhere, half just after a mark, a sync or a change of names."""
    rng = random.Random(seed)
    told = [i + 1 for i, event in enumerate(events) if event.kind is not Kind.WRITE]
    return sorted(rng.choice(told) if i % 2 else rng.randint(0, len(events)) for i in range(count))


def images(
    events: Sequence[Event], moments: Sequence[int], folder: Path, *, seed: int = 0, start: Path | None = None
) -> Iterator[tuple[int, Path]]:
    """Write an image for each moment (in order) into a new folder of `folder`; yield the moment and the image."""
    disk = Disk(seed, start)
    for number, moment in enumerate(moments):
        while disk.now < moment:
            disk.follow(events[disk.now])
        image = folder / f"image-{number}"
        disk.write_image(image, seed * 1_000_003 + number)
        yield moment, image


def _put(data: bytearray, offset: int, piece: bytes) -> None:
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece


def _resize(data: bytearray, length: int, *, only_grows: bool) -> None:
    if len(data) < length:
        data.extend(bytes(length - len(data)))
    elif not only_grows:
        del data[length:]


def _load(path: Path, folder: Folder) -> None:
    for entry in path.iterdir():
        node: Node = Folder() if entry.is_dir() else File()
        if isinstance(node, Folder):
            _load(entry, node)
        else:
            node.disk, node.seen = bytearray(entry.read_bytes()), bytearray(entry.read_bytes())
        folder.disk[entry.name] = folder.seen[entry.name] = node


def _differences(real: Path, folder: Folder, path: str) -> Iterator[str]:
    found = {entry.name: entry for entry in real.iterdir()}
    for name in sorted(found.keys() | folder.seen.keys()):
        node, entry, where = folder.seen.get(name), found.get(name), f"{path}{name}"
        if name.endswith("-shm"):
            continue
        if node is None or entry is None:
            yield f"{where}: {'not recorded' if node is None else 'recorded, but not there'}"
        elif isinstance(node, Folder):
            yield from _differences(entry, node, f"{where}/")
        elif entry.read_bytes() != node.seen:
            yield f"{where}: other bytes than recorded"
