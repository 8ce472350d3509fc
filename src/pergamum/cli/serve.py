"""`pergamum serve`: the server, in this process and in the workers it is told to have."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pergamum.cli.output import CANNOT_START, fail, tell

if TYPE_CHECKING:
    from fastapi import FastAPI

    from pergamum.cli.workers import Workers
    from pergamum.settings import Settings

BACKLOG = 2048


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; PERGAMUM_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0 takes a free port; PERGAMUM_PORT.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data; PERGAMUM_DATA_DIR.")] = None,
) -> None:
    """Start the server. Options come before the environment; every other setting is PERGAMUM_<NAME>.

    SIGTERM and Ctrl-C let running requests finish, close the data folder and end with exit code 0.
    """
    # Before NumPy is loaded. Searches have threads of their own; those of BLAS spin while they wait for each other,
    # which made a search by NumPy take ten times the processor time. An operator's own choice stays.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    settings = _settings(host=host, port=port, data_dir=data_dir)
    with _listening(settings) as listener, _workers(settings, listener) as workers:
        app = _build(settings)
        from pergamum.cli.http_server import HttpServer

        if workers is not None:
            workers.report_to(app.state.metrics)
        ready = f"listening on {_url(listener)}, data in {settings.data_dir}"
        shares = None if workers is None else workers.shares
        server = HttpServer(app, settings.shutdown_seconds, lambda: tell(ready), shares, workers)
        server.run(sockets=[listener])


def _settings(**options: object) -> "Settings":
    from pydantic import ValidationError

    from pergamum.settings import Settings

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = [f"PERGAMUM_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        fail("; ".join(faults), CANNOT_START)


@contextmanager
def _listening(settings: "Settings") -> Iterator[socket.socket]:
    """The socket of the server, taken before anything else, so that a port in use is known at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            fail(f"cannot listen on {settings.host} port {settings.port}: {reason}", CANNOT_START)
        yield listener


@contextmanager
def _workers(settings: "Settings", listener: socket.socket) -> "Iterator[Workers | None]":
    """Other processes that answer searches, not started yet; None where there are to be none."""
    if not settings.workers:
        yield None
        return
    from pergamum.cli.workers import Workers, linked

    with ExitStack() as held:
        try:
            workers = Workers(settings, listener, held.enter_context(linked()))
        except OSError as error:
            fail(f"cannot start workers: {error}", CANNOT_START)
        yield workers


def _build(settings: "Settings") -> "FastAPI":
    from pergamum.app import build
    from pergamum.errors import CannotStart, Damaged

    try:
        return build(settings)
    except (CannotStart, Damaged, OSError) as error:
        fail(f"cannot start: {error}", CANNOT_START)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
