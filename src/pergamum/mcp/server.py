"""Puts the server together: which tools it has, what it says of itself, and how it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import unquote

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp.types import ToolAnnotations

from pergamum.client import AsyncPergamum, NotFound
from pergamum.mcp.tools import Tools

DOCUMENT: Final = "pergamum://libraries/{library}/documents/{document}"
_INSTRUCTIONS: Final = (
    "Pergamum holds libraries of documents. Call list_libraries to see which there are, search to find passages in one "
    "of them, and fetch to read a whole document or chunk by its id."
)
_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


def serve_stdio(client: AsyncPergamum, *, allow_writes: bool) -> None:
    """Serve over stdin and stdout until stdin ends; then close the client. Logs go to stderr."""
    anyio.run(mcp_server(client, allow_writes=allow_writes).run_stdio_async)


def mcp_server(client: AsyncPergamum, *, allow_writes: bool) -> MCPServer[None]:
    """Return a server of the tools over the client, which it closes at its end.

    Without `allow_writes` there is no tool that changes anything.
    """

    @asynccontextmanager
    async def closing(_: MCPServer[None]) -> AsyncIterator[None]:
        async with client:
            yield

    server: MCPServer[None] = MCPServer(
        "pergamum", instructions=_INSTRUCTIONS, version=_version(), log_level="WARNING", lifespan=closing
    )
    tools = Tools(client)
    for tool in (tools.search, tools.fetch, tools.list_libraries):
        server.add_tool(tool, annotations=_READS)
    if allow_writes:
        server.add_tool(tools.add_documents, annotations=_WRITES)
    _add_resources(server, client)
    return server


def _version() -> str:
    try:
        return version("pergamum")
    except PackageNotFoundError:  # run from a source folder that is not installed
        return "0"


def _add_resources(server: MCPServer[None], client: AsyncPergamum) -> None:
    @server.resource(DOCUMENT, mime_type="text/plain")
    async def document(library: str, document: str) -> str:
        """The text of a document."""
        try:
            fetched = await Tools(client).fetch(unquote(document), unquote(library))
        except ToolError as error:
            kind = ResourceNotFoundError if isinstance(error.__cause__, NotFound) else ResourceError
            raise kind(str(error)) from error
        return fetched.text
