"""Index snapshots: written beside the rows, counted only once a row names them (docs/formats/data-folder.md).

A snapshot is a folder with the files of the built index, those of the scan where it begins at slot 0, the recall curve,
the trial by which `auto` chose, the columns that filters needed, and a manifest that names the size and checksum of
each. The manifest's own checksum is in library.db.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import structlog

from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.domain.recall import RecallCurve
from pergamum.domain.trial import Trial
from pergamum.engine.checksums import file_checksum
from pergamum.engine.curve_file import NAME as CURVE
from pergamum.engine.curve_file import encode_curve, load_curve
from pergamum.engine.saved_columns import NAMES, SavedColumns, keep_columns
from pergamum.engine.trial_file import NAME as TRIAL
from pergamum.engine.trial_file import encode_trial, load_trial
from pergamum.engine.view import Made, View
from pergamum.errors import Damaged, PergamumError
from pergamum.index import factory
from pergamum.index.base import BuiltIndex
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.brute_force.snapshot import NAME as CODES
from pergamum.index.layered import LayeredIndex
from pergamum.storage.base import IndexSnapshot
from pergamum.storage.files import create_folder, write_file

MANIFEST = "manifest.json"
FORMAT = 2

Part = TypeVar("Part")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What of a view lies in the snapshot that counts: the slots it covers, built index, curve, trial, columns.

    `tried` is the era and the slots of the columns that were to be saved, whether they could be or not.
    """

    slots: int = 0
    built: BuiltIndex | None = None
    curve: RecallCurve | None = None
    columns: SavedColumns | None = None
    tried: tuple[int, int] = (0, 0)
    trial: Trial | None = None

    @classmethod
    def of(cls, view: View, columns: SavedColumns | None = None) -> "Saved":
        """Return what a snapshot of the view would hold, beside these columns, which may be none of the view's."""
        if view.columns is not None:
            tried = view.columns.era, view.columns.chunks.count
        else:
            tried = (0, 0) if columns is None else (columns.era, columns.slots)
        if view.index is None:
            return cls(columns=columns, tried=tried)
        return cls(savable_slots(view.index), view.index.built, view.curve, columns, tried, view.trial)

    def unsaved(self, view: View) -> int:
        """Return the slots that a new snapshot would save from being read again, for the index or for filters."""
        if view.index is None:
            return 0
        era, tried = self.tried
        columns = view.columns
        rows = 0 if columns is None else columns.chunks.count - (tried if columns.era == era else 0)
        return max(rows, savable_slots(view.index) - self.slots)

    def lacks(self, view: View) -> bool:
        """Whether the view has a built index, a curve or a trial, or lacks one, that the snapshot does not have."""
        if view.index is None:
            return False
        return self.built is not view.index.built or self.curve is not view.curve or self.trial is not view.trial


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What could be read of a snapshot. `slots`: how many of the vectors need no check against their rows.

    `columns` are those it holds; their files are looked at when filters need them.
    """

    codes: BruteForceIndex | None = None
    built: BuiltIndex | None = None
    made: Made | None = None
    curve: RecallCurve | None = None
    slots: int = 0
    columns: SavedColumns | None = None
    trial: Trial | None = None


def savable_slots(index: LayeredIndex) -> int:
    """Return the slots whose codes a snapshot would hold: all, or those of a built index that keeps codes itself."""
    return index.count if index.tail.first == 0 else index.built_count


def save_snapshot(view: View, index_folder: Path, saved: Saved) -> tuple[IndexSnapshot, Saved]:
    """Write the view's index durably into a folder of its own; it does not count until a row names it.

    Where the view has no columns, those of the snapshot before, `saved`, come along. REQUIRES: the view has an index.
    Raises `StorageFull` and leaves nothing that counts.
    """
    assert view.index is not None, "only a library with vectors has an index to save"
    folder = _unused(index_folder, view.state.position)
    create_folder(folder)
    view.index.save(folder)
    if view.curve is not None:
        write_file(folder / CURVE, encode_curve(view.curve))
    if view.trial is not None:
        write_file(folder / TRIAL, encode_trial(view.trial))
    columns = keep_columns(view, folder, saved.columns)
    told = _manifest(view, folder) | ({} if columns is None else {"columns": columns})
    manifest = json.dumps(told).encode()
    write_file(folder / MANIFEST, manifest)  # makes every name in the folder durable
    snapshot = IndexSnapshot(folder.name, view.state.position, savable_slots(view.index), crc32(manifest))
    return snapshot, Saved.of(view, SavedColumns.of(folder, told))


def in_files(view: View, folder: Path) -> View:
    """Return the view with what was just saved of it in `folder`, mapped, in place of what it holds in memory.

    What was written has been read again for the manifest, so it is as good as what is held. A file that cannot be
    opened leaves the view as it is.
    """
    index = view.index
    assert index is not None, "it has been saved"
    codes = _sound(folder, lambda: BruteForceIndex.load(folder, checked=True)) if index.tail.first == 0 else None
    built = None
    if (kept := index.built) is not None:
        built = _sound(folder, lambda: factory.load_built(kept.kind, folder, checked=True))
    return replace(view, index=index.in_files(codes, built))


def load_snapshot(snapshot: IndexSnapshot | None, index_folder: Path | None) -> Loaded:
    """Return what is sound of the snapshot the rows name. What is not is logged, and made again by somebody else."""
    if snapshot is None or index_folder is None:
        return Loaded()
    folder = index_folder / snapshot.folder
    manifest = _sound(folder, lambda: read_manifest(snapshot, index_folder))
    if manifest is None:
        return Loaded()
    codes = _sound(folder, lambda: _codes(folder, manifest, snapshot))
    built = _sound(folder, lambda: _built(folder, manifest, snapshot))
    curve = _sound(folder, lambda: _curve(folder, manifest))
    covered = codes is not None or (built is not None and CODES not in manifest["files"])
    return Loaded(
        codes=codes,
        built=built,
        made=None if built is None else _made(manifest),
        curve=None if built is None else curve,
        slots=snapshot.slots if covered else 0,
        columns=_sound(folder, lambda: SavedColumns.of(folder, manifest)),
        trial=_sound(folder, lambda: _trial(folder, manifest)),
    )


def read_manifest(snapshot: IndexSnapshot, index_folder: Path) -> dict[str, Any]:
    """Return the manifest, that of an older format as if it were of this one. Raises `Damaged`, `OSError`."""
    path = index_folder / snapshot.folder / MANIFEST
    content = path.read_bytes()
    if crc32(content) != snapshot.manifest_crc:
        raise Damaged(str(path), "its checksum does not match the one in library.db")
    manifest: dict[str, Any] = json.loads(content)
    if manifest["format"] > FORMAT:
        raise Damaged(str(path), f"format {manifest['format']} is newer than {FORMAT}")
    if manifest["format"] == 1:  # one index, one file, which carries a checksum of its own
        manifest |= {"files": {CODES: None}, "params": {}, "dead": 0}
    return manifest


def damaged_files(folder: Path, files: Mapping[str, list[int] | None]) -> Iterator[tuple[str, str]]:
    """Yield those of `files` of a manifest that are missing or not as they were written, each with what is wrong."""
    for name, expected in files.items():
        try:
            if expected is not None and file_checksum(folder / name) != expected:
                yield name, "its checksum does not match the manifest"
        except OSError as error:
            yield name, str(error)


def load_built(folder: Path, manifest: dict[str, Any]) -> BuiltIndex | None:
    """Return the built index of a snapshot, None where it has none. Raises `Damaged`, `InvalidField`.

    REQUIRES: its files match the manifest, so that nobody need read them again.
    """
    if manifest["kind"] == IndexKind.BRUTE_FORCE:
        return None
    return factory.load_built(manifest["kind"], folder, checked=True)


def load_codes(folder: Path, manifest: dict[str, Any]) -> BruteForceIndex:
    """Return the codes of a snapshot. Raises `Damaged`. REQUIRES: it has some, and they match the manifest."""
    return BruteForceIndex.load(folder, checked=manifest["files"][CODES] is not None)


def discard_snapshots(index_folder: Path | None, keep: IndexSnapshot | None) -> None:
    """Delete every snapshot folder but the one that counts. A folder that cannot be deleted only costs space."""
    if index_folder is None or not index_folder.exists():
        return
    for folder in index_folder.iterdir():
        if keep is None or folder.name != keep.folder:
            shutil.rmtree(folder, ignore_errors=True)


def snapshot_bytes(index_folder: Path | None) -> int:
    """Return how many bytes the index snapshots hold on disk.

    Upkeep may delete an old one meanwhile: what has gone counts nothing (`os.walk` goes on, `Path.rglob` raises).
    """
    if index_folder is None:
        return 0
    return sum(_size(Path(folder, name)) for folder, _, names in os.walk(index_folder) for name in names)


def _unused(index_folder: Path, position: int) -> Path:
    """Return a folder for a snapshot at the position; another one may be there already, and count."""
    names = (str(position) if number == 0 else f"{position}.{number}" for number in count())
    return next(folder for name in names if not (folder := index_folder / name).exists())


def _manifest(view: View, folder: Path) -> dict[str, Any]:
    assert view.index is not None, "the caller has checked"
    return {
        "format": FORMAT,
        "kind": view.active.kind.value,
        "params": view.active.params,
        "dead": 0 if view.made is None else view.made.dead,
        "position": view.state.position,
        "history": view.state.history.hex(),
        "slots": savable_slots(view.index),
        "built": view.index.built_count,
        "files": {file.name: file_checksum(file) for file in sorted(folder.iterdir())},
    }


def _sound(folder: Path, read: Callable[[], Part | None]) -> Part | None:
    """Return what `read` returns, None for whatever is wrong with it."""
    try:
        return read()
    except (PergamumError, OSError, ValueError, KeyError, TypeError, ImportError) as error:
        log.warning("index snapshot damaged, what is missing is made again", folder=str(folder), reason=str(error))
        return None


def _check(folder: Path, manifest: dict[str, Any], wanted: Callable[[str], bool]) -> None:
    """Raise `Damaged` for the first wanted file that is not as it was written."""
    files = {name: expected for name, expected in manifest["files"].items() if wanted(name)}
    for name, reason in damaged_files(folder, files):
        raise Damaged(str(folder / name), reason)


def _codes(folder: Path, manifest: dict[str, Any], snapshot: IndexSnapshot) -> BruteForceIndex | None:
    if CODES not in manifest["files"]:
        return None
    _check(folder, manifest, lambda name: name == CODES)
    codes = load_codes(folder, manifest)
    if codes.count != snapshot.slots:
        raise Damaged(str(folder), f"covers {codes.count} slots instead of {snapshot.slots}")
    return codes


def _built(folder: Path, manifest: dict[str, Any], snapshot: IndexSnapshot) -> BuiltIndex | None:
    _check(folder, manifest, lambda name: name not in {CODES, CURVE, TRIAL, *NAMES})
    built = load_built(folder, manifest)
    if built is not None and not built.count == manifest["built"] <= snapshot.slots:
        raise Damaged(str(folder), f"covers {built.count} slots instead of {manifest['built']}")
    return built


def _made(manifest: dict[str, Any]) -> Made:
    return Made(IndexSpec(IndexKind(manifest["kind"]), manifest["params"]), manifest["dead"])


def _curve(folder: Path, manifest: dict[str, Any]) -> RecallCurve | None:
    if CURVE not in manifest["files"]:
        return None
    _check(folder, manifest, lambda name: name == CURVE)
    return load_curve(folder)


def _trial(folder: Path, manifest: dict[str, Any]) -> Trial | None:
    if TRIAL not in manifest["files"]:
        return None
    _check(folder, manifest, lambda name: name == TRIAL)
    return load_trial(folder)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:  # an older snapshot that has just been discarded
        return 0
