"""`pergamum search`: the best chunks of a library."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pergamum.cli.output import CANNOT_START, AsJson, LibraryKey, Url, connected, fail, plain, print_json

if TYPE_CHECKING:
    from pergamum.client import Query


def search(
    *,
    library: LibraryKey,
    text: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    vector_file: Annotated[
        Path | None, typer.Option(help="Search with the vector in this file instead: .npy, or a JSON list.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Most hits wanted.")] = 5,
    mode: Annotated[
        Literal["vector", "keyword", "hybrid"], typer.Option(help="Search by meaning, by words, or by both.")
    ] = "vector",
    where: Annotated[
        str | None, typer.Option("--filter", help='Which chunks may be found: {"field": "year", "op": "gte", ...}.')
    ] = None,
    by_document: Annotated[bool, typer.Option(help="Print the best document's chunks together.")] = False,
    diversity: Annotated[float, typer.Option(min=0, max=1, help="How much hits are to differ.")] = 0.0,
    rerank: Annotated[
        Literal["local", "cohere"] | None, typer.Option(help="Let this provider judge the first hits.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print the chunks of LIBRARY that are nearest to TEXT, nearest first."""
    if (text is None) == (vector_file is None) and mode != "hybrid":
        fail("give either a text or --vector-file", CANNOT_START)
    from pergamum.cli.hits import SHOWN, read_vector, show

    query: Query = {"text": text, "k": k, "mode": mode, "filter": _filter(where)}
    if vector_file is not None:
        query["vector"] = read_vector(vector_file)
    if by_document:
        query["group_by"] = "document"
    if diversity:
        query["diversity"] = diversity
    if rerank is not None:
        query["rerank"] = {"provider": rerank}
    if not as_json:
        query["select"] = SHOWN
    with connected(url) as client:
        answer = client.library(library).search(**query)
        if as_json:
            print_json(plain(answer))
        else:
            show(answer)


def _filter(text: str | None) -> dict[str, Any] | None:
    """Return the filter; the server judges what is in it."""
    if text is None:
        return None
    try:
        tree = json.loads(text)
    except ValueError as error:
        fail(f"--filter is not JSON: {error}", CANNOT_START)
    if not isinstance(tree, dict):
        fail('--filter is not a JSON object, such as {"field": "year", "op": "gte", "value": 2020}', CANNOT_START)
    return tree
