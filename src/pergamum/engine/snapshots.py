"""Index snapshots: written beside the rows, counted only once a row names them (docs/formats/data-folder.md)."""

import json
import shutil
from pathlib import Path
from zlib import crc32

import structlog

from pergamum.domain.library import Library
from pergamum.engine.view import View
from pergamum.errors import Damaged
from pergamum.index import factory
from pergamum.index.base import VectorIndex
from pergamum.storage.base import IndexSnapshot
from pergamum.storage.files import create_folder, write_file

MANIFEST = "manifest.json"
FORMAT = 1

log = structlog.get_logger(__name__)


def save_snapshot(view: View, index_folder: Path) -> IndexSnapshot:
    """Write the view's index durably into a folder of its own; it does not count until a row names it.

    REQUIRES: the view has an index. Raises `StorageFull` and leaves nothing that counts.
    """
    assert view.index is not None, "only a library with vectors has an index to save"
    state = view.state
    folder = index_folder / str(state.position)
    shutil.rmtree(folder, ignore_errors=True)  # left by a crash between writing and naming
    create_folder(folder)
    view.index.save(folder)
    manifest = json.dumps(
        {
            "format": FORMAT,
            "kind": state.library.index.active,
            "position": state.position,
            "history": state.history.hex(),
            "slots": view.index.count,
        }
    ).encode()
    write_file(folder / MANIFEST, manifest)  # makes every name in the folder durable
    return IndexSnapshot(folder.name, state.position, view.index.count, crc32(manifest))


def load_snapshot(snapshot: IndexSnapshot | None, index_folder: Path | None, library: Library) -> VectorIndex | None:
    """Return the index the rows name, or None when there is none or it is not sound: it is then built anew."""
    if snapshot is None or index_folder is None:
        return None
    folder = index_folder / snapshot.folder
    try:
        manifest = (folder / MANIFEST).read_bytes()
        if crc32(manifest) != snapshot.manifest_crc:
            raise Damaged(str(folder / MANIFEST), "its checksum does not match the one in library.db")
        if json.loads(manifest)["kind"] != library.index.active:
            return None
        index = factory.load(library.index.active, folder)
        if index.count != snapshot.slots:
            raise Damaged(str(folder), f"covers {index.count} slots instead of {snapshot.slots}")
    except (Damaged, OSError, ValueError, KeyError) as error:
        log.warning("index snapshot unusable, rebuilding from rows", folder=str(folder), reason=str(error))
        return None
    return index


def discard_snapshots(index_folder: Path | None, keep: IndexSnapshot | None) -> None:
    """Delete every snapshot folder but the one that counts. A folder that cannot be deleted only costs space."""
    if index_folder is None or not index_folder.exists():
        return
    for folder in index_folder.iterdir():
        if keep is None or folder.name != keep.folder:
            shutil.rmtree(folder, ignore_errors=True)


def snapshot_bytes(index_folder: Path | None) -> int:
    """Return how many bytes the index snapshots hold on disk."""
    if index_folder is None:
        return 0
    return sum(file.stat().st_size for file in index_folder.rglob("*") if file.is_file())
