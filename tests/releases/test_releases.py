"""A data folder written by each release is kept, and this release opens it and answers the same.

`scripts/keep-data-folder` writes <version>.tar.gz; fields that a later release adds to an answer are no difference.
"""

import json
import tarfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pergamum.app import build
from pergamum.settings import Settings
from tests.support.source import ROOT

KEPT = sorted((ROOT / "tests" / "releases").glob("*.tar.gz"))


def _contents(client: TestClient) -> object:
    loader = SourceFileLoader("keep_data_folder", str(ROOT / "scripts" / "keep-data-folder"))
    module = module_from_spec(spec_from_loader(loader.name, loader) or pytest.fail("no script"))
    loader.exec_module(module)
    return module.contents(client)


def _differences(expected: object, found: object, where: str = "") -> list[str]:
    """Return the places where what was kept is missing or different."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            difference
            for name, value in expected.items()
            for difference in _differences(value, found.get(name), f"{where}/{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [d for place, (a, b) in pairs for d in _differences(a, b, f"{where}/{place}")]
    return [] if expected == found else [f"{where}: {expected!r} became {found!r}"]


def test_at_least_one_release_is_kept() -> None:
    assert KEPT


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_this_release_opens_what_an_older_one_wrote(kept: Path, tmp_path: Path) -> None:
    with tarfile.open(kept) as archive:
        archive.extractall(tmp_path, filter="data")
    expected = json.loads((tmp_path / "expected.json").read_text())

    with TestClient(build(Settings(data_dir=tmp_path / "data"))) as client:
        found = _contents(client)

    assert _differences(expected, found) == []


def test_a_difference_is_seen() -> None:
    assert _differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ["/a/1/b: 2 became 3"]
    assert _differences({"a": 1}, {}) == ["/a: 1 became None"]
    assert _differences({"a": 1}, {"a": 1, "new": 2}) == []
