"""`pergamum import`: the rows of a file as documents."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pergamum.cli.output import AsJson, Url, connected


def import_file(
    *,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=".jsonl, .jsonl.gz, .csv or .parquet")
    ],
    library: Annotated[str, typer.Option("--library", "-l", help="Name or id of the library.")],
    create: Annotated[bool, typer.Option("--create", help="Create the library if it is not there.")] = False,
    model: Annotated[
        str | None, typer.Option(help="Model of a library that is created; `none`: the file brings the vectors.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=COLUMN: where a field comes from, such as text=abstract. May be repeated."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows in one request.")] = 1_000,
    on_error: Annotated[
        Literal["abort", "skip"], typer.Option(help="At a wrong row: end, or go on without it.")
    ] = "abort",
    restart: Annotated[bool, typer.Option("--restart", help="Begin at the first row again.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Store each row of FILE as a document; the same command again continues where the last one ended.

    Fields: id, title, author, document_type, source_url, tags, text, chunks, embedding, metadata. Each comes from the
    column of its name unless --column says otherwise; all other columns become metadata. A row without an id gets one
    made of the file's path and its row number, so importing a file again replaces its documents instead of adding more.
    """
    from pergamum.cli.import_job import Job, chosen_columns, named_library

    columns = chosen_columns(column or [])
    with connected(url) as client:
        target = named_library(client, library, create, model)
        outcome = Job.of(file, columns, target, on_error).run(batch, restart)
    outcome.report(as_json)
