"""The MCP server in a process of its own, and in this one, asked by mcp's own client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError, StdioServerParameters, stdio_client
from mcp.client import Client
from mcp.types import CallToolResult, TextContent, TextResourceContents
from pydantic import JsonValue
from typer.testing import CliRunner

from pergamum.cli.main import app
from pergamum.client import AsyncPergamum, Pergamum
from pergamum.mcp.answers import MOST_FETCHED_TEXT, MOST_HIT_TEXT
from pergamum.mcp.server import mcp_server
from tests.support.server import free_port, running_server

LONG = "A very long story about a whale. " * 2_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a library of texts, and one without a model."""
    with running_server(tmp_path_factory.mktemp("mcp") / "data", PERGAMUM_LOG_LEVEL="error") as server:
        with Pergamum(server.base_url) as client:
            tales = client.libraries.create(name="tales", description="Texts for tests.")
            tales.documents.add(id="moon", title="Tides", text="The moon pulls the sea.", metadata={"year": 2001})
            tales.documents.add(id="cats", text="Cats sleep a lot.", metadata={"year": 2020})
            many = {"short": 1, "long": "x" * 10_000, "after": 2}
            tales.documents.add(id="a/b", chunks=[{"id": "whale", "text": LONG, "metadata": many}])
            vectors = client.libraries.create(name="vectors", dimension=2)
            vectors.documents.add(id="v", chunks=[{"text": word, "embedding": [1, 0]} for word in ("one", "two")])
        yield server.base_url


def inside(url: str, *, allow_writes: bool = False) -> Client:
    """A client of the same server in this process."""
    return Client(mcp_server(AsyncPergamum(url, max_retries=0), allow_writes=allow_writes))


def started(*arguments: str) -> Client:
    """A client that starts `pergamum mcp`."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "pergamum", "mcp", *arguments])
    return Client(stdio_client(command))


async def called(client: Client, tool: str, **arguments: JsonValue) -> dict[str, Any]:
    """Call a tool that has to succeed; return its structured answer, which its text says too."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, text_of(answer)
    assert json.loads(text_of(answer)) == answer.structured_content
    return dict(answer.structured_content or {})


async def refused(client: Client, tool: str, **arguments: JsonValue) -> str:
    """Call a tool that has to fail; return what it says."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return text_of(answer)


def text_of(answer: CallToolResult) -> str:
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text


async def test_a_process_of_its_own_lists_searches_and_fetches(url: str) -> None:
    async with started("--url", url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        libraries = await called(client, "list_libraries")
        found = await called(client, "search", text="what moves the ocean?", library="tales", k=1, mode="vector")
        fetched = await called(client, "fetch", id="moon", library="tales")

    assert set(tools) == {"search", "fetch", "list_libraries"}
    assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools.values())
    assert [library["name"] for library in libraries["libraries"]] == ["tales", "vectors"]
    assert libraries["libraries"][0]["fields"] == {
        "chunk.metadata.short": "integer",
        "chunk.metadata.long": "string",
        "chunk.metadata.after": "integer",
        "document.metadata.year": "integer",
    }
    (hit,) = found["hits"]
    assert (hit["document_id"], hit["title"], hit["metadata"]) == ("moon", "Tides", {"year": 2001})
    assert (fetched["text"], fetched["next_offset"]) == ("The moon pulls the sea.", None)


async def test_writes_are_there_only_where_they_are_allowed(url: str) -> None:
    document: JsonValue = {"id": "new", "text": "Bees dance.", "metadata": {"year": 2026}, "tags": ["bees"]}
    async with inside(url) as reader:
        assert "Unknown tool" in await refused(reader, "add_documents", library="tales", documents=[document])
    async with inside(url, allow_writes=True) as writer:
        added = await called(writer, "add_documents", library="tales", documents=[document, {"text": "Ants walk."}])
        again = await refused(writer, "add_documents", library="tales", documents=[document])
        replaced = await called(writer, "add_documents", library="tales", documents=[document], replace=True)
        found = await called(writer, "search", text="bees", library="tales", mode="keyword")

    assert added["ids"][0] == "new"
    assert len(added["ids"][1]) == 36
    assert (added["created"], added["replaced"]) == (2, 0)
    assert "'new'" in again
    assert (replaced["created"], replaced["replaced"]) == (0, 1)
    assert [hit["document_id"] for hit in found["hits"]] == ["new"]
    assert found["note"] == "these are all that match: 1"


async def test_a_data_folder_is_served_without_a_server(tmp_path: Path) -> None:
    with Pergamum.local(tmp_path / "data") as local:
        local.libraries.create(name="notes")

    async with started("--local", str(tmp_path / "data"), "--allow-writes") as client:
        added = await called(client, "add_documents", library="notes", documents=[{"text": "The moon pulls the sea."}])
        found = await called(client, "search", text="ocean", library="notes")

    assert [hit["document_id"] for hit in found["hits"]] == added["ids"]


async def test_a_server_that_is_down_is_told(url: str) -> None:
    async with inside(f"http://127.0.0.1:{free_port()}") as client:
        told = await refused(client, "list_libraries")

    assert "cannot reach" in told
    assert "Is the Pergamum server running?" in told


async def test_filters_select_and_their_faults_are_told(url: str) -> None:
    late: JsonValue = {"field": "year", "op": "gte", "value": 2010}
    misspelt: JsonValue = {"field": "yaer", "op": "gte", "value": 2010}
    async with inside(url) as client:
        found = await called(client, "search", text="moon cats", library="tales", filter=late, mode="keyword")
        told = await refused(client, "search", text="moon", library="tales", filter=misspelt)

    assert [hit["document_id"] for hit in found["hits"]] == ["cats"]
    assert "did you mean 'year'?" in told


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("search", {"text": "x"}, "library"),
        ("search", {"text": "", "library": "tales"}, "text"),
        ("search", {"text": "x", "library": "tales", "k": 21}, "less than or equal to 20"),
        ("search", {"text": "x", "library": "tales", "mode": "magic"}, "'keyword'"),
        ("search", {"text": "x", "library": "tales", "filter": [1]}, "filter"),
        ("search", {"text": "x", "library": "none"}, "list_libraries tells"),
        ("search", {"text": "x", "library": "vectors"}, "search it with mode keyword"),
        ("fetch", {"id": "none", "library": "tales"}, "'none'"),
        ("fetch", {"id": "moon", "library": "tales", "offset": -1}, "offset"),
        ("list_libraries", {"library": "none"}, "no library 'none'"),
        ("add_documents", {"library": "tales", "documents": []}, "documents"),
        ("add_documents", {"library": "tales", "documents": [{"text": "x", "txet": "y"}]}, "txet"),
        ("add_documents", {"library": "tales", "documents": [{"text": "x", "metadata": {"year": "old"}}]}, "integer"),
        ("add_documents", {"library": "vectors", "documents": [{"text": "x"}]}, "embeds no texts"),
    ],
)
async def test_bad_arguments_are_told(url: str, tool: str, arguments: dict[str, Any], reason: str) -> None:
    async with inside(url, allow_writes=True) as client:
        assert reason in await refused(client, tool, **arguments)


async def test_answers_are_bounded_and_go_on_where_they_end(url: str) -> None:
    async with inside(url) as client:
        found = await called(client, "search", text="whale story", library="tales", k=1, mode="keyword")
        parts, offset = [], 0
        while offset is not None:
            part = await called(client, "fetch", id="whale", library="tales", kind="chunk", offset=offset)
            parts.append(part["text"])
            offset = part["next_offset"]

    (hit,) = found["hits"]
    assert (
        hit["text"] == f"{LONG[:MOST_HIT_TEXT]}\n[cut; fetch the chunk for the rest: 2,000 of {len(LONG):,} characters]"
    )
    assert hit["metadata"] == {"short": 1, "...": "2 more fields are too long to be shown"}
    assert "".join(parts) == LONG
    assert max(map(len, parts)) == MOST_FETCHED_TEXT


async def test_documents_of_chunks_are_joined(url: str) -> None:
    async with inside(url) as client:
        fetched = await called(client, "fetch", id="v", library="vectors")

    assert fetched["text"] == "one\n\ntwo"


async def test_documents_are_resources(url: str) -> None:
    async with inside(url) as client:
        (template,) = (await client.list_resource_templates()).resource_templates
        (content,) = (await client.read_resource("pergamum://libraries/tales/documents/moon")).contents
        (escaped,) = (await client.read_resource("pergamum://libraries/tales/documents/a%2Fb")).contents
        with pytest.raises(MCPError, match="'none'"):
            await client.read_resource("pergamum://libraries/tales/documents/none")

    assert template.uri_template == "pergamum://libraries/{library}/documents/{document}"
    assert isinstance(content, TextResourceContents)
    assert content.text == "The moon pulls the sea."
    assert isinstance(escaped, TextResourceContents)
    assert escaped.text.startswith("A very long story")


def test_stdout_carries_the_protocol_alone(url: str) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
    call = {"name": "search", "arguments": {"text": "x", "library": "none"}}
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/list"},
    ]

    command = [sys.executable, "-m", "pergamum", "mcp", "--url", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("not JSON\n" + "".join(f"{json.dumps(message)}\n" for message in asked))
        process.stdin.flush()
        answers: list[dict[str, Any]] = []
        while not {answer.get("id") for answer in answers} >= {1, 2, 3}:  # the end of stdin gives up what is unanswered
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        answers += map(json.loads, process.stdout)

    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert process.returncode == 0


def test_a_url_that_is_none_is_refused_on_stderr() -> None:
    ended = CliRunner().invoke(app, ["mcp", "--url", "nonsense"])

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "'nonsense' is not the URL of a server" in ended.stderr


def test_a_data_folder_in_use_is_refused_on_stderr(tmp_path: Path) -> None:
    with Pergamum.local(tmp_path / "data"):
        ended = CliRunner().invoke(app, ["mcp", "--local", str(tmp_path / "data")])

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "cannot open" in ended.stderr


def test_without_the_package_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['mcp'] = None; from pergamum.cli.main import app; app(['mcp'])"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert 'pip install "pergamum[mcp]"' in ended.stderr
