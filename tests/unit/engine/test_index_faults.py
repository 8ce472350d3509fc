"""The doctor looks inside index snapshots, and removes broken ones when told to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pergamum.app import build_core
from pergamum.domain.commands import UpdateLibrary
from pergamum.domain.library import IndexKind, IndexSpec
from pergamum.engine.index_faults import look_inside
from pergamum.engine.live_library import LiveLibrary
from pergamum.settings import Settings
from pergamum.storage.sqlite.verify import Care, Finding, Severity, verify_data_folder
from tests.support.forge import Forge, install
from tests.support.library import NOW, a_chunk, a_library, put, vector

HARMLESS, UNLUCKY = 12, 13


@pytest.fixture(autouse=True)
def forge(monkeypatch: pytest.MonkeyPatch) -> Forge:
    return install(monkeypatch)


def _with_library(folder: Path, use: Callable[[LiveLibrary], None]) -> None:
    """Open the data folder's only library, and close both again, whatever builds are under way."""
    core = build_core(Settings(data_dir=folder))
    if not core.catalog.page(None, 1):
        core.catalog.create(a_library())
    [(_, library_id)] = core.catalog.page(None, 1)
    with core.catalog.opened(library_id) as library:
        use(library)
    core.background.shutdown(wait=True)
    core.close()


def _folder(tmp_path: Path, chunks: int) -> Path:
    """A data folder whose library has a saved lsh index over so many chunks."""

    def fill(library: LiveLibrary) -> None:
        library.write([put("d", [a_chunk(f"c{n}", "d", vector(n, 1)) for n in range(chunks)])])
        library.write([UpdateLibrary({"index": IndexSpec(IndexKind.LSH)}, NOW)])

    _with_library(tmp_path, fill)
    _with_library(tmp_path, lambda _library: None)  # opening it begins the build
    return tmp_path


def _findings(folder: Path, *, repair: bool = False) -> list[Finding]:
    return list(verify_data_folder(folder, Care(look_inside, repair)))


def _flip(folder: Path, name: str) -> Path:
    [path] = folder.rglob(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def test_a_sound_index_has_no_findings(tmp_path: Path) -> None:
    folder = _folder(tmp_path, HARMLESS)

    assert len(list(folder.rglob("fake.index"))) == 1
    assert _findings(folder) == []


@pytest.mark.parametrize("name", ["fake.index", "brute-force.index", "curve.json", "manifest.json"])
def test_a_changed_file_is_a_warning_because_the_next_start_makes_it_again(tmp_path: Path, name: str) -> None:
    folder = _folder(tmp_path, HARMLESS)
    path = _flip(folder, name)

    found = _findings(folder)

    assert [(each.severity, each.what) for each in found] == [(Severity.WARNING, str(path))]
    assert _findings(folder) == found, "looking changes nothing"


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    folder = _folder(tmp_path, HARMLESS)
    next(folder.rglob("fake.index")).unlink()

    assert [each.severity for each in _findings(folder)] == [Severity.WARNING]


def test_an_index_broken_inside_is_damage(tmp_path: Path) -> None:
    found = _findings(_folder(tmp_path, UNLUCKY))

    assert [each.severity for each in found] == [Severity.DAMAGE]
    assert found[0].detail == "the lsh index is broken: thirteen slots"


@pytest.mark.parametrize("chunks", [HARMLESS, UNLUCKY])
def test_a_repair_removes_what_is_broken_and_the_next_start_builds_it(
    tmp_path: Path, forge: Forge, chunks: int
) -> None:
    folder = _folder(tmp_path, chunks)
    if chunks == HARMLESS:
        _flip(folder, "fake.index")

    repaired = _findings(folder, repair=True)

    assert [each.severity for each in repaired] == [Severity.REPAIRED]
    assert list(folder.rglob("fake.index")) == []
    assert _findings(folder) == []
    built = forge.built
    _with_library(folder, lambda _library: None)
    assert forge.built == built + 1
    assert len(list(folder.rglob("fake.index"))) == 1
