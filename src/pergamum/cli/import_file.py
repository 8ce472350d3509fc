"""`pergamum import`: the rows of a file, or of another database, as documents."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from pergamum.cli.output import CANNOT_START, AsJson, Url, connected, fail

Kind: TypeAlias = Literal["chroma", "qdrant", "pgvector", "lancedb", "faiss"]
MOVING = "From another database"


def _field(help: str, *names: str) -> typer.models.OptionInfo:
    """Return an option that names a part of another database."""
    option: typer.models.OptionInfo = typer.Option(*names, help=help, rich_help_panel=MOVING)
    return option


Place: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="FILE", help=".jsonl, .jsonl.gz, .csv or .parquet; with --from a folder, URL, DSN or file."),
]
Columns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="FIELD=COLUMN: where a field comes from, such as text=abstract. May be repeated."),
]
Model: TypeAlias = Annotated[
    str | None, typer.Option(help="Model of a library that is created; `none`: the file brings the vectors.")
]
OnError: TypeAlias = Annotated[
    Literal["abort", "skip"] | None,
    typer.Option(help="At a wrong row: end, or go on without it. Unless given: abort for a file, skip with --from."),
]
From: TypeAlias = Annotated[Kind | None, _field("What is at FILE, if it is no file of rows.", "--from")]
Collection: TypeAlias = Annotated[str | None, _field("Which collection or table.", "--collection", "--table")]
IdField: TypeAlias = Annotated[str | None, _field("Where the ids are.", "--id-field", "--id-column")]
VectorField: TypeAlias = Annotated[
    str | None, _field("Which vector, where rows have several.", "--vector-field", "--vector-column")
]
TextField: TypeAlias = Annotated[str | None, _field("Where the texts are.", "--text-field", "--text-column")]
MetadataField: TypeAlias = Annotated[
    str | None, _field("An object whose entries become metadata themselves.", "--metadata-field", "--metadata-column")
]
DocumentField: TypeAlias = Annotated[
    str | None,
    _field(
        "What names the document a row is a chunk of; else each is its own.", "--document-field", "--document-column"
    ),
]
Texts: TypeAlias = Annotated[str | None, _field("JSONL with the texts and metadata of a faiss index.", "--texts")]
MetricName: TypeAlias = Annotated[
    Literal["cosine", "dot", "l2"] | None,
    _field("How vectors are compared, in place of what the source says.", "--metric"),
]
DryRun: TypeAlias = Annotated[bool, _field("Read and report; write nothing, ask no server.", "--dry-run")]


def import_file(
    *,
    file: Place,
    library: Annotated[str, typer.Option("--library", "-l", help="Name or id of the library.")],
    create: Annotated[
        bool, typer.Option("--create", help="Create the library if it is not there; --from always does.")
    ] = False,
    model: Model = None,
    column: Columns = None,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows in one request.")] = 1_000,
    on_error: OnError = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin at the first row again.")] = False,
    source: From = None,
    collection: Collection = None,
    id_field: IdField = None,
    vector_field: VectorField = None,
    text_field: TextField = None,
    metadata_field: MetadataField = None,
    document_field: DocumentField = None,
    texts: Texts = None,
    metric: MetricName = None,
    dry_run: DryRun = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Store each row of FILE as a document; the same command again continues where the last one ended.

    Fields: id, title, author, document_type, source_url, tags, text, chunks, embedding, metadata. Each comes from the
    column of its name unless --column says otherwise; all other columns become metadata. A row without an id gets one
    made of the file's path and its row number, so importing a file again replaces its documents instead of adding more.

    With --from, FILE is a place of another database: vectors, texts and metadata are copied as they are, and a report
    says what could not be. Keys come from CHROMA_API_KEY, QDRANT_API_KEY, LANCEDB_API_KEY and libpq's PGPASSWORD.
    Exit code 1: rows were left out.
    """
    wanted = {"collection": collection, "id": id_field, "vector": vector_field, "text": text_field}
    wanted |= {"metadata": metadata_field, "document": document_field, "texts": texts, "metric": metric}
    if source is None:
        if dry_run or any(wanted.values()):
            fail("the options under 'From another database' go with --from", CANNOT_START)
        rows = _Rows(_existing(file), library, create, model, column or [])
        rows.run(url, batch=batch, on_error=on_error or "abort", restart=restart, as_json=as_json)
        return
    if column:
        fail("--column is for files of rows; --text-field and its like go with --from", CANNOT_START)
    from pergamum.cli.move_in import MoveIn

    moving = MoveIn.of(source, file, wanted, library=library, model=model, abort=on_error == "abort")
    moving.run(url, batch=batch, restart=restart, dry_run=dry_run, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A file of rows, and where they go."""

    file: Path
    library: str
    create: bool
    model: str | None
    columns: list[str]

    def run(
        self, url: str | None, *, batch: int, on_error: Literal["abort", "skip"], restart: bool, as_json: bool
    ) -> None:
        """Import the rows and say how it went."""
        from pergamum.cli.import_job import Job, chosen_columns, named_library

        columns = chosen_columns(self.columns)
        with connected(url) as client:
            target = named_library(client, self.library, self.create, self.model)
            outcome = Job.of(self.file, columns, target, on_error).run(batch, restart)
        outcome.report(as_json)


def _existing(file: str) -> Path:
    """Return the file, or end as typer does for one that is not there."""
    path = Path(file)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise typer.BadParameter(f"File {file!r} {what}.", param_hint="'FILE'")
    return path
