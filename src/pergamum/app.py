"""Builds everything from Settings; the only file that names concrete classes."""

import resource
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from pergamum.api.app_factory import create_api
from pergamum.api.dependencies import Services
from pergamum.api.figures import Figures
from pergamum.api.forwarding import Carrier
from pergamum.api.limits import Limits as RequestLimits
from pergamum.api.logs import configure_logs, leave_to_logging
from pergamum.api.observability import Metrics
from pergamum.api.reader_factory import ReaderServices, create_reader_api
from pergamum.embedding.factory import Embedders
from pergamum.engine.auto import Rule
from pergamum.engine.builds import Builds, Options
from pergamum.engine.catalog import Catalog
from pergamum.engine.reader_catalog import ReaderCatalog
from pergamum.errors import CannotStart
from pergamum.index import kernel_cache
from pergamum.journal.base import Journal
from pergamum.journal.local import Limits, LocalJournal
from pergamum.rerank.factory import Rerankers
from pergamum.services.chunks import ChunkService
from pergamum.services.composer import Composer
from pergamum.services.documents import DocumentService
from pergamum.services.imports import ImportService
from pergamum.services.index import IndexService
from pergamum.services.libraries import LibraryService
from pergamum.services.operations import OperationService
from pergamum.services.pages import Pages
from pergamum.services.positions import ReaderPositions
from pergamum.services.replies import ReplyService
from pergamum.services.schema import SchemaService
from pergamum.services.search import Means, SearchService
from pergamum.services.selection import SelectionService
from pergamum.services.system import SystemService
from pergamum.settings import Settings
from pergamum.storage.sqlite.read_only import ReadOnlyStorage
from pergamum.storage.sqlite.storage import SqliteStorage

SPARE_DESCRIPTORS = 512
"""For sockets, logs and the interpreter itself."""


def build(settings: Settings) -> FastAPI:
    """Open the data folder and return the app that serves it; its lifespan closes the folder. Raises `CannotStart`."""
    configure_logs(settings.log_level, settings.log_format)
    return _app(settings)


def build_inside(folder: Path) -> FastAPI:
    """Return the app for a program that is no server: its own logging is left alone and hears of warnings."""
    leave_to_logging()
    return _app(Settings(data_dir=folder))


def _app(settings: Settings) -> FastAPI:
    kernel_cache.configure(settings.kernel_cache)
    metrics = Metrics()
    core = build_core(settings, metrics.flush)
    embedders, rerankers = _embedders(settings), _rerankers(settings)
    pages = Pages(settings.search_pages_bytes, settings.search_pages_seconds)
    services = _services(core, embedders, Means(rerankers, pages, settings.max_k), metrics)

    def close() -> None:
        core.close()
        embedders.close()
        rerankers.close()

    limits = _request_limits(settings)
    return create_api(services, limits, metrics, version=version("pergamum"), start=_load_kernels, close=close)


def build_reader(settings: Settings, name: str, link: Carrier, figures: Figures) -> FastAPI:
    """Return the app of a process that answers searches beside the writer, to which `link` carries all else.

    The log calls it `name`. Takes seconds where the kernels have to be loaded. The app's state holds `tidy`, to be
    called now and then. Raises `Damaged` where the data folder cannot be read.
    """
    configure_logs(settings.log_level, settings.log_format, name)
    _allow_descriptors(settings)
    kernel_cache.configure(settings.kernel_cache)
    kernel_cache.prepare()
    background = ThreadPoolExecutor(1, thread_name_prefix="background")
    storage = ReadOnlyStorage(settings.data_dir, settings.readers_per_library)
    catalog = ReaderCatalog(storage, settings.max_open_libraries, background)
    embedders, rerankers = _embedders(settings), _rerankers(settings)
    means = Means(rerankers, None, settings.max_k)
    searching = SearchService(catalog, Composer(embedders), means, figures.search)

    def close() -> None:
        background.shutdown(wait=True, cancel_futures=True)
        catalog.close()
        embedders.close()
        rerankers.close()

    services = ReaderServices(searching, ReaderPositions(catalog))
    limits, opened = _request_limits(settings), catalog.open_soon
    app = create_reader_api(services, limits, figures, link, opened=opened, close=close)
    app.state.tidy = catalog.tidy
    return app


def _embedders(settings: Settings) -> Embedders:
    return Embedders(
        cohere_key=settings.cohere_api_key,
        cohere_url=settings.cohere_base_url,
        cohere_timeout_s=settings.embedding_timeout_seconds,
        cache_bytes=settings.embedding_cache_bytes,
    )


def _rerankers(settings: Settings) -> Rerankers:
    return Rerankers(
        cohere_key=settings.cohere_api_key,
        cohere_url=settings.cohere_base_url,
        cohere_timeout_s=settings.rerank_timeout_seconds,
    )


def _load_kernels() -> None:
    """Load the compiled kernels beside the first requests, which NumPy answers; a child process compiles them once."""
    threading.Thread(target=kernel_cache.prepare, name="kernels", daemon=True).start()


def _services(core: "Core", embedders: Embedders, means: Means, metrics: Metrics) -> Services:
    catalog, journal, composer = core.catalog, core.journal, Composer(embedders)
    documents = DocumentService(catalog, journal, composer)
    chunks = ChunkService(catalog, journal, composer)
    return Services(
        libraries=LibraryService(catalog, journal, embedders),
        documents=documents,
        chunks=chunks,
        imports=ImportService(catalog, documents, chunks),
        schema=SchemaService(catalog, journal),
        selection=SelectionService(catalog, journal, documents, chunks),
        search=SearchService(catalog, composer, means, metrics.search),
        index=IndexService(catalog, journal, core.builds),
        operations=OperationService(catalog, journal, core.builds),
        system=SystemService(catalog),
        replies=ReplyService(catalog),
    )


def _request_limits(settings: Settings) -> RequestLimits:
    return RequestLimits(
        max_batch_queries=settings.max_batch_queries,
        max_batch_items=settings.max_batch_items,
        max_body_bytes=settings.max_body_bytes,
        max_import_bytes=settings.max_import_bytes,
        max_page=settings.max_page,
        max_filter_depth=settings.max_filter_depth,
        inline_search_ms=settings.inline_search_ms,
        min_position_seconds=settings.min_position_seconds,
        search_threads=settings.search_threads,
        request_threads=settings.request_threads,
    )


@dataclass(frozen=True, slots=True)
class Core:
    """All that is below the services."""

    catalog: Catalog
    journal: Journal
    builds: Builds
    background: ThreadPoolExecutor

    def close(self) -> None:
        """Settle the writes that wait, stop background jobs, close every library, free the data folder."""
        self.journal.close()
        self.builds.close()
        self.background.shutdown(wait=True, cancel_futures=True)
        self.catalog.close()


def build_core(settings: Settings, observe_flush: Callable[[float], None] | None = None) -> Core:
    """Open the data folder. Raises `CannotStart` when another process has it, or the system's limits are too low."""
    _allow_descriptors(settings)
    storage = SqliteStorage(settings.data_dir, readers=settings.readers_per_library)
    try:
        catalog = Catalog(storage, settings.max_open_libraries, observe_flush or _unobserved)
    except BaseException:
        storage.close()
        raise
    background = ThreadPoolExecutor(settings.background_threads, thread_name_prefix="background")
    limits = Limits(settings.write_threads, settings.max_waiting_writes, settings.max_group_commands)
    rule = Rule(settings.auto_index_chunks, settings.auto_index_times, settings.auto_index_memory_bytes)
    builds = Builds(catalog, background, Options(settings.build_threads, rule, settings.live_recall_share))
    core = Core(catalog, LocalJournal(catalog, builds.look_after, limits), builds, background)
    builds.resume()
    return core


def _allow_descriptors(settings: Settings) -> None:
    """Raise the soft limit on open files to what the settings may need."""
    # of each library the databases, and the files of vectors, codes and index: a map holds a descriptor of its own
    needed = settings.max_open_libraries * (3 * (1 + settings.readers_per_library) + 4) + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise CannotStart(
                f"{needed} open files may be needed and the system allows {hard}: lower PERGAMUM_MAX_OPEN_LIBRARIES"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _unobserved(_seconds: float) -> None:
    """Nobody keeps the flush times."""
