"""How the log is written: one JSON object a line, or colours for a person at a terminal."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure_logs(level: str, form: str) -> None:
    """Write what is at least `level` to standard error; `form` is json, console, or auto: console on a terminal."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    closing: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    least: int = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            *closing,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(least, logging.WARNING), format="%(levelname)s %(name)s %(message)s", force=True)


def leave_to_logging() -> None:
    """Hand warnings and errors to Python's logging, under `pergamum`; nothing is changed where structlog is set up."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: logging.getLogger("pergamum.engine"),
        cache_logger_on_first_use=True,
    )
