"""`pergamum mcp`: libraries as tools of a language model's client, over stdio."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pergamum.cli.output import CANNOT_START, Url, fail

if TYPE_CHECKING:
    from pergamum.client import AsyncPergamum


def mcp(
    *,
    url: Url = None,
    local: Annotated[
        Path | None, typer.Option(help="Open this data folder here instead of asking a server.", file_okay=False)
    ] = None,
    allow_writes: Annotated[bool, typer.Option("--allow-writes", help="Offer a tool that adds documents.")] = False,
) -> None:
    """Serve the libraries to an MCP client (Claude, an editor, ...) over stdin and stdout."""
    try:
        from pergamum.mcp.server import serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        fail('this needs the package mcp: pip install "pergamum[mcp]"', CANNOT_START)
    serve_stdio(_client(url, local), allow_writes=allow_writes)


def _client(url: str | None, local: Path | None) -> "AsyncPergamum":
    from pergamum.client import AsyncPergamum, Unreachable

    try:
        return AsyncPergamum(url) if local is None else AsyncPergamum.local(local)
    except (ValueError, ImportError, Unreachable) as error:
        fail(str(error), CANNOT_START)
