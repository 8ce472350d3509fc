"""How the log is written: one JSON object a line, or colours for a person at a terminal."""

import logging
import sys
from contextvars import ContextVar
from functools import partial
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id")
"""The request that is being answered; structlog's own context variables take as long to set as a route to find."""


def configure_logs(level: str, form: str, process: str | None = None) -> None:
    """Write what is at least `level` to standard error; `form` is json, console, or auto: console on a terminal.

    Every line names the `process`, if it has a name.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    closing: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    least: int = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            _with_request_id,
            *([] if process is None else [partial(_with_process, process)]),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            *closing,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(least, logging.WARNING), format="%(levelname)s %(name)s %(message)s", force=True)


def _with_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = REQUEST_ID.get(None)
    if request_id is not None:
        event["request_id"] = request_id
    return event


def _with_process(process: str, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["process"] = process
    return event


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
