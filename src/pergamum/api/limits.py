"""How much one request may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each is a setting of the same name; see `settings.py`."""

    max_batch_queries: int
    max_batch_items: int
    max_body_bytes: int
    max_import_bytes: int
    max_page: int
    max_filter_depth: int
    inline_search_ms: float
    min_position_seconds: float
    search_threads: int
    request_threads: int
