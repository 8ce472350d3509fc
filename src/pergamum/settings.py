"""Every knob of the server. `app.py` reads it once; no other file reads the environment."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Typed, bounded, described, immutable. Each field is the environment variable PERGAMUM_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="PERGAMUM_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address the server listens on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port the server listens on; 0 takes a free one.")
    data_dir: Path = Field(Path("data"), description="Folder that holds everything the server keeps.")
    kernel_cache: Path | None = Field(None, description="Folder of compiled kernels; default ~/.cache/pergamum.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")
    log_format: str = Field("auto", pattern="^(auto|json|console)$", description="`auto`: console on a terminal.")

    workers: int = Field(
        0, ge=0, le=256, description="Processes that answer searches beside the one that writes; each has its own core."
    )
    search_threads: int = Field(2, ge=1, le=256, description="Long searches that may run at the same time.")
    write_threads: int = Field(4, ge=1, le=256, description="Libraries that may be written at the same time.")
    background_threads: int = Field(1, ge=1, le=64, description="Background jobs that may run at the same time.")
    build_threads: int = Field(2, ge=1, le=64, description="Threads one index build may use.")
    auto_index_chunks: int = Field(
        10_000, ge=1, description="Chunks below which an index of kind `auto` always searches exactly."
    )
    auto_index_times: float = Field(
        3.0, ge=0, le=1_000, description="How many times slower exact search has to be before `auto` builds an index."
    )
    auto_index_memory_bytes: int | None = Field(
        None, ge=1, description="Most memory the index of one library may take that `auto` chooses; default: no limit."
    )
    request_threads: int = Field(64, ge=1, le=1024, description="Requests other than searches that may run at once.")
    live_recall_share: float = Field(
        0.01, ge=0, le=1, description="Share of searches that are answered exactly as well, in the background; 0: none."
    )
    inline_search_ms: float = Field(2.0, ge=0, le=100, description="Searches predicted to be shorter run at once.")

    min_position_seconds: float = Field(
        2.0, ge=0, le=60, description="Longest wait for a position that a request asks to see; then it is answered 504."
    )

    max_open_libraries: int = Field(128, ge=1, le=10_000, description="Libraries held open; idle ones are closed.")
    readers_per_library: int = Field(4, ge=1, le=64, description="SQLite connections an open library may read with.")
    max_waiting_writes: int = Field(10_000, ge=1, description="Writes that may wait; more are answered 503.")
    max_group_commands: int = Field(1_000, ge=1, description="Writes to one library that may share a flush.")

    max_k: int = Field(1_000, ge=1, le=100_000, description="Most hits one search may ask for.")
    max_filter_depth: int = Field(16, ge=1, le=64, description="Most levels of and, or, not in one filter.")
    search_pages_bytes: int = Field(
        64 << 20, ge=1 << 20, description="Memory for answers that clients page through; older ones are forgotten."
    )
    search_pages_seconds: float = Field(300.0, gt=0, description="How long such an answer is kept after its last use.")
    max_batch_queries: int = Field(1_000, ge=1, description="Most queries in one batch search.")
    max_batch_items: int = Field(10_000, ge=1, description="Most documents or chunks in one batch.")
    max_body_bytes: int = Field(64 << 20, ge=1024, description="Largest JSON body; larger ones are answered 413.")
    max_import_bytes: int = Field(
        256 << 20, ge=1024, description="Largest NDJSON import that is kept whole or not at all (on_error=abort)."
    )
    max_page: int = Field(1_000, ge=1, description="Most items a list answers at once.")
    shutdown_seconds: float = Field(20.0, ge=0, description="How long SIGTERM waits for running requests.")

    cohere_api_key: SecretStr | None = Field(None, description="Key for Cohere; without it its models are absent.")
    cohere_base_url: str = Field("https://api.cohere.com", description="Where Cohere's API is.")
    embedding_timeout_seconds: float = Field(30.0, gt=0, description="Longest wait for a provider of embeddings.")
    rerank_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for a provider's judgement of hits.")
    embedding_cache_bytes: int = Field(64 << 20, ge=0, description="Memory for embeddings already computed; 0: none.")
