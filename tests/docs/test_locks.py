"""The locks hold what pyproject.toml asks for, pinned and hashed, and name no place on any machine or network."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.source import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
SERVER = [*BASE, *EXTRAS["server"], *EXTRAS["cohere"], *GROUPS["build"]]
WANTED = {
    "client": BASE,
    "server": SERVER,
    "dev": [*SERVER, *(item for item in GROUPS["dev"] if isinstance(item, str))],
    "bench": [*SERVER, *(item for item in GROUPS["bench"] if isinstance(item, str))],
}


def _versions(lock: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_a_lock_holds_what_is_asked_for(lock: Path) -> None:
    versions = _versions(lock)
    wanted = [Requirement(item) for item in WANTED[lock.stem]]

    missing = [
        str(item)
        for item in wanted
        if not any(item.specifier.contains(version) for version in versions.get(canonicalize_name(item.name), []))
    ]

    assert missing == [], "run: scripts/lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_every_package_of_a_lock_is_hashed(lock: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text())

    assert [entry.splitlines()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_a_lock_names_no_place(lock: Path) -> None:
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|file:|^-e", lock.read_text(), re.MULTILINE) == []


def test_the_locks_agree_on_every_version() -> None:
    everywhere = _versions(ROOT / "requirements" / "dev.txt")

    for lock in LOCKS:
        shared = {name: versions for name, versions in _versions(lock).items() if name in everywhere}
        assert shared == {name: everywhere[name] for name in shared}
