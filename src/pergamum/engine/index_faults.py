"""What the doctor finds inside an index snapshot: files that changed, and structures that make no sense."""

from collections.abc import Iterator
from pathlib import Path

from pergamum.engine.curve_file import NAME as CURVE
from pergamum.engine.curve_file import load_curve
from pergamum.engine.snapshots import damaged_files, load_built, load_codes, read_manifest
from pergamum.errors import Damaged, InvalidField
from pergamum.index import kernel_cache
from pergamum.index.brute_force.snapshot import NAME as CODES
from pergamum.storage.base import IndexSnapshot
from pergamum.storage.sqlite.verify import Finding, Severity

_MADE_AGAIN = "the next start makes it again"
MOST_FAULTS = 20
"""Faults told of one index: a broken graph has as many as it has slots."""


def look_inside(snapshot: IndexSnapshot, index_folder: Path) -> Iterator[Finding]:
    """Yield what is wrong with a snapshot whose manifest is sound. May take long: it walks the whole graph.

    A file that does not match its checksum is a warning, because a start sees it and makes it again. An index that
    matches and is broken inside is damage: it would answer.
    """
    folder = index_folder / snapshot.folder
    try:
        manifest = read_manifest(snapshot, index_folder)
        changed = list(damaged_files(folder, manifest["files"]))
        for name, reason in changed:
            yield _warning(folder / name, reason)
        if changed:
            return
        if CODES in manifest["files"]:
            load_codes(folder, manifest)
        if CURVE in manifest["files"]:
            load_curve(folder)
        built = load_built(folder, manifest)
    except (Damaged, InvalidField, OSError, ValueError, KeyError, TypeError) as error:
        yield _warning(folder, str(error))
        return
    if built is None:
        return
    kernel_cache.prepare()
    for number, fault in enumerate(built.faults()):
        if number == MOST_FAULTS:
            yield Finding(Severity.DAMAGE, str(folder), "and more")
            return
        yield Finding(Severity.DAMAGE, str(folder), f"the {built.kind} index is broken: {fault}")


def _warning(path: Path, reason: str) -> Finding:
    return Finding(Severity.WARNING, str(path), f"{reason}; {_MADE_AGAIN}")
