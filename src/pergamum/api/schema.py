"""Routes of a library's metadata schema."""

from fastapi import APIRouter
from starlette.responses import Response

from pergamum.api.answers import respond
from pergamum.api.bodies import parsed
from pergamum.api.contract import answers
from pergamum.api.dependencies import SchemaDep
from pergamum.api.drafts import schema_changes
from pergamum.api.paths import LibraryReference
from pergamum.api.schema_answers import schema_change_out, schema_out
from pergamum.api.writes import BodyWriteDep
from pergamum.errors import LibraryNotFound, SchemaMismatch
from pergamum.wire.schema import SchemaChangeOut, SchemaOut, SchemaPatch

router = APIRouter(prefix="/v1/libraries/{library}/schema", tags=["schema"])


@router.get("", **answers(SchemaOut, refuses=[LibraryNotFound]))
def get_schema(library: LibraryReference, schema: SchemaDep) -> Response:
    """Return the metadata fields of a library."""
    return respond(schema_out(schema.get(library)))


@router.patch("", **answers(SchemaChangeOut, takes=SchemaPatch, refuses=[LibraryNotFound, SchemaMismatch], writes=True))
def change_schema(library: LibraryReference, write: BodyWriteDep, schema: SchemaDep) -> Response:
    """Add, drop, rename or change metadata fields, without touching what is stored; `dry_run` only says how it goes."""
    body = parsed(SchemaPatch, write.body)
    changes = schema_changes(body)
    if body.dry_run:
        return respond(schema_change_out(schema.try_out(library, changes), dry_run=True))
    return write.answered(
        library,
        lambda terms: schema.change(library, changes, terms),
        lambda done: respond(schema_change_out(done, dry_run=False), token=done.token),
    )
