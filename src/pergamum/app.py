"""Builds everything from Settings; the only file that names concrete classes."""

import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pergamum.engine.catalog import Catalog
from pergamum.errors import CannotStart
from pergamum.journal.base import Journal
from pergamum.journal.local import Limits, LocalJournal
from pergamum.settings import Settings
from pergamum.storage.sqlite.storage import SqliteStorage

SPARE_DESCRIPTORS = 512
"""For sockets, logs and the interpreter itself."""


@dataclass(frozen=True, slots=True)
class Core:
    """All that is below the services."""

    catalog: Catalog
    journal: Journal
    background: ThreadPoolExecutor

    def close(self) -> None:
        """Settle the writes that wait, finish background jobs, close every library, free the data folder."""
        self.journal.close()
        self.background.shutdown(wait=True)
        self.catalog.close()


def build_core(settings: Settings, observe_flush: Callable[[float], None] = lambda seconds: None) -> Core:
    """Open the data folder. Raises `CannotStart` when another process has it, or the system's limits are too low."""
    _allow_descriptors(settings)
    storage = SqliteStorage(settings.data_dir, readers=settings.readers_per_library)
    try:
        catalog = Catalog(storage, settings.max_open_libraries, observe_flush)
    except BaseException:
        storage.close()
        raise
    background = ThreadPoolExecutor(settings.background_threads, thread_name_prefix="background")
    limits = Limits(settings.write_threads, settings.max_waiting_writes, settings.max_group_commands)
    return Core(catalog, LocalJournal(catalog, background, limits), background)


def _allow_descriptors(settings: Settings) -> None:
    """Raise the soft limit on open files to what the settings may need."""
    needed = settings.max_open_libraries * (3 * (1 + settings.readers_per_library) + 1) + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise CannotStart(
                f"{needed} open files may be needed and the system allows {hard}: lower PERGAMUM_MAX_OPEN_LIBRARIES"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
