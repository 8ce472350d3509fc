"""`pergamum worker`: answers searches beside a server, which starts it. Nobody else has a use for it."""

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pergamum.lifeline import end_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from pergamum.api.figures import Figures

REPORT_SECONDS: Final = 1.0


def worker(
    number: Annotated[int, typer.Option(help="Which of the workers this is.")],
    listener: Annotated[int, typer.Option(help="Descriptor of the socket that the server listens on.")],
    shares: Annotated[int, typer.Option(help="Descriptor of what says how many connections each process has.")],
    reports: Annotated[int, typer.Option(help="Descriptor of the pipe for figures.")],
    link: Annotated[Path, typer.Option(help="Unix domain socket of the process that writes.")],
) -> None:
    """Answer searches until SIGTERM, or until standard input ends, as it does with the server."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    end_with(sys.stdin.fileno())  # without the server there is nobody to carry anything to
    from pergamum.api.figures import Figures
    from pergamum.api.forwarding import Link
    from pergamum.app import build_reader
    from pergamum.cli.accepting import Shares
    from pergamum.cli.http_server import HttpServer
    from pergamum.settings import Settings

    settings, figures = Settings(), Figures()
    app = build_reader(settings, f"worker-{number}", Link(str(link)), figures)
    reporter = _Reporter(figures, reports, app.state.tidy)
    server = HttpServer(app, settings.shutdown_seconds, reporter.start, Shares(shares, number))
    server.run(sockets=[socket.socket(fileno=listener)])
    reporter.stop()


class _Reporter:
    """Sends what was counted every second, and once more at the end; the first report says that requests are taken.

    `tidy` is called as often.
    """

    def __init__(self, figures: "Figures", reports: int, tidy: "Callable[[], None]") -> None:
        self._figures, self._reports, self._tidy = figures, reports, tidy
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        """Send the first report, and others from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Send the last report."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        self._send()
        while not self._stopping.wait(REPORT_SECONDS):
            self._send()
            self._tidy()
        self._send()

    def _send(self) -> None:
        line = json.dumps(self._figures.taken()).encode() + b"\n"
        while line:
            line = line[os.write(self._reports, line) :]
