"""`pergamum search`: the nearest chunks of a library."""

from pathlib import Path
from typing import Annotated

import typer

from pergamum.cli.output import CANNOT_START, AsJson, LibraryKey, Url, connected, fail, plain, print_json


def search(
    *,
    library: LibraryKey,
    text: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    vector_file: Annotated[
        Path | None, typer.Option(help="Search with the vector in this file instead: .npy, or a JSON list.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Most hits wanted.")] = 5,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print the chunks of LIBRARY that are nearest to TEXT, nearest first."""
    if (text is None) == (vector_file is None):
        fail("give either a text or --vector-file", CANNOT_START)
    from pergamum.cli.hits import read_vector, show, titles

    vector = None if vector_file is None else read_vector(vector_file)
    with connected(url) as client:
        found = client.library(library)
        answer = found.search(text=text, vector=vector, k=k)
        if as_json:
            print_json(plain(answer))
        else:
            show(answer, titles(found, answer))
