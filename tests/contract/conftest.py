"""The storages every law of storage/base.py is tried on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pergamum.storage.base import LibraryStore, Storage
from tests.support.storage import library, open_storage


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    with open_storage(request.param, tmp_path / "data") as made:
        yield made


@pytest.fixture
def store(storage: Storage) -> Iterator[LibraryStore]:
    kept = library()
    storage.create(kept)
    opened = storage.open(kept.id)
    yield opened
    opened.close()
