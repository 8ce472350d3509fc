"""`pergamum libraries`: list, create, show, delete."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pergamum.cli.output import AsJson, LibraryKey, Url, connected, plain, print_json

if TYPE_CHECKING:
    from pergamum.client import NewLibrary
    from pergamum.wire.libraries import LibraryOut

libraries = typer.Typer(name="libraries", help="List, create, show and delete libraries.", no_args_is_help=True)


@libraries.command("list")
def list_all(url: Url = None, as_json: AsJson = False) -> None:
    """Print all libraries by name."""
    with connected(url) as client:
        found = client.libraries.list().to_list()
    if as_json:
        print_json([plain(library) for library in found])
    else:
        _table(found)


@libraries.command()
def create(
    *,
    name: Annotated[str, typer.Argument(help="A name that no other library has.")],
    description: Annotated[str | None, typer.Option(help="What the library holds.")] = None,
    metric: Annotated[Literal["cosine", "dot", "l2"], typer.Option(help="How vectors are compared.")] = "cosine",
    dimension: Annotated[
        int | None, typer.Option(min=1, help="Numbers a vector has, where vectors come from outside.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="What embeds texts; `none`: nothing does. `local` unless --dimension is given.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a library."""
    fields: NewLibrary = {"name": name, "description": description, "metric": metric}
    if dimension is not None:
        fields["dimension"] = dimension
    if model is not None:
        fields["embedding_model"] = None if model == "none" else model
    with connected(url) as client:
        _show(client.libraries.create(**fields).info(), as_json)


@libraries.command()
def show(library: LibraryKey, url: Url = None, as_json: AsJson = False) -> None:
    """Print a library's settings and counts."""
    with connected(url) as client:
        _show(client.libraries.get(library).info(), as_json)


@libraries.command()
def delete(
    *,
    library: LibraryKey,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete a library with everything in it."""
    with connected(url) as client:
        info = client.libraries.get(library).info()
        if not yes:
            typer.confirm(f"Delete {info.name!r} with its {info.documents:,} documents?", abort=True, err=True)
        position = client.libraries.delete(str(info.id))
        if as_json:
            print_json({"id": str(info.id), "name": info.name, "position": position})
        else:
            typer.echo(f"deleted {info.name}")


def _show(library: "LibraryOut", as_json: bool) -> None:
    if as_json:
        print_json(plain(library))
        return
    for name, value in library.model_dump(mode="json").items():
        typer.echo(f"{name:<16} {'-' if value is None else value}")


def _table(found: Sequence["LibraryOut"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("name", "documents", "chunks", "dimension", "metric", "model"):
        table.add_column(name, justify="right" if name in {"documents", "chunks", "dimension"} else "left")
    for library in found:
        counts = (f"{library.documents:,}", f"{library.chunks:,}", str(library.dimension or "-"))
        table.add_row(Text(library.name), *counts, library.metric.value, Text(library.embedding_model or "-"))
    Console().print(table)
