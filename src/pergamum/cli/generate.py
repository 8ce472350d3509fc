"""`pergamum generate`: a synthetic library of any size, into a server or a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from pergamum.cli.output import CANNOT_START, AsJson, Url, connected, fail

if TYPE_CHECKING:
    from pergamum.cli.generate_outcome import Outcome
    from pergamum.client import NewLibrary
    from pergamum.synthetic import Recipe

LibraryName: TypeAlias = Annotated[
    str | None, typer.Option("--library", "-l", help="Store them in this library, which is made if it is not there.")
]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Write them to this file as JSON lines, as `pergamum import` reads; - is stdout."
    ),
]
QueriesOutput: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write queries that are none of the documents to this file, as JSON lines.")
]
Chunks: TypeAlias = Annotated[int, typer.Option("--chunks", "-n", min=1, help="How many chunks.")]
Dimension: TypeAlias = Annotated[int, typer.Option("--dimension", "-d", help="Numbers a vector has.")]
Clusters: TypeAlias = Annotated[int, typer.Option(help="How many clusters the vectors lie in.")]
Spread: TypeAlias = Annotated[float, typer.Option(help="How far vectors are from the centres, which have length 1.")]
Skew: TypeAlias = Annotated[float, typer.Option(help="Exponent of Zipf's law for the sizes of clusters; 0: all alike.")]
PerDocument: TypeAlias = Annotated[float, typer.Option("--chunks-per-document", help="Mean number, at least 1.")]
Missing: TypeAlias = Annotated[
    float, typer.Option(help="Share of documents without a price, a rating, a time, a place.")
]
Metric: TypeAlias = Annotated[
    Literal["cosine", "dot", "l2"], typer.Option(help="Of a library that is made; for cosine vectors have length 1.")
]
VectorFormat: TypeAlias = Annotated[
    Literal["base64", "list", "none"],
    typer.Option("--vectors", help="How a file holds vectors; none: texts alone, which the library's model embeds."),
]


def generate(
    *,
    library: LibraryName = None,
    output: Output = None,
    chunks: Chunks = 10_000,
    dimension: Dimension = 256,
    clusters: Clusters = 100,
    spread: Spread = 0.5,
    skew: Skew = 1.0,
    chunks_per_document: PerDocument = 4.0,
    missing: Missing = 0.1,
    metric: Metric = "cosine",
    vectors: VectorFormat = "base64",
    seed: Annotated[int, typer.Option(help="Another seed makes other documents.")] = 0,
    queries: Annotated[int, typer.Option(min=1, help="How many queries.")] = 1_000,
    queries_output: QueriesOutput = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a synthetic library: vectors in clusters, skewed metadata, texts whose words follow the clusters.

    The same options make the same documents, and fewer chunks are the first of more. Ids are made of seed and number,
    so that a repetition replaces what is there. Memory stays the same whatever the size.
    """
    _check_targets(library, output, queries_output)
    with _told():
        from pergamum.cli.generate_files import write_documents, write_queries
        from pergamum.synthetic import Recipe

        recipe = Recipe(
            seed=seed,
            dimension=dimension,
            clusters=clusters,
            spread=spread,
            skew=skew,
            chunks_per_document=chunks_per_document,
            missing=missing,
            normalised=metric == "cosine",
            vectors=vectors != "none",
        )
        if queries_output is not None:
            write_queries(recipe, queries, queries_output, vectors)
        if output is not None:
            write_documents(recipe, chunks, output, vectors).report(as_json)
        if library is not None:
            _store(recipe, chunks, {"name": library, "metric": metric}, url).report(as_json)


@contextmanager
def _told() -> Iterator[None]:
    """What a recipe refuses and what the file system refuses become a message and an exit code."""
    try:
        yield
    except ValueError as error:
        fail(str(error), CANNOT_START)
    except BrokenPipeError:  # whoever read stdout has enough
        raise
    except OSError as error:
        fail(f"cannot write: {error}")


def _check_targets(library: str | None, output: Path | None, queries_output: Path | None) -> None:
    if library is not None and output is not None:
        fail("give either --library or --output", CANNOT_START)
    if library is None and output is None and queries_output is None:
        fail("say where they go: --library NAME, or --output FILE (- is stdout)", CANNOT_START)
    if str(output) == str(queries_output) == "-":
        fail("documents and queries cannot both go to stdout", CANNOT_START)


def _store(recipe: "Recipe", chunks: int, library: "NewLibrary", url: str | None) -> "Outcome":
    from pergamum.cli.generate_upload import store

    with connected(url) as client:
        return store(recipe, chunks, client, library)
