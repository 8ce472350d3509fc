"""Metadata schemas, from what the services return to the wire."""

from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_json import declarations
from pergamum.services.schema import SchemaChanged
from pergamum.wire.schema import MisfitOut, SchemaChangeOut, SchemaOut


def schema_out(schema: MetadataSchema) -> SchemaOut:
    """Return the schema as it can be declared, and its version."""
    return SchemaOut.model_validate({**declarations(schema), "version": schema.version})


def schema_change_out(done: SchemaChanged, *, dry_run: bool) -> SchemaChangeOut:
    """Return what became, or would become, of a change."""
    found = done.misfits
    return SchemaChangeOut(
        dry_run=dry_run,
        metadata_schema=schema_out(done.schema),
        documents=found.documents,
        chunks=found.chunks,
        examples=[
            MisfitOut(level=one.level.value, id=one.id, field=one.field, reason=one.reason) for one in found.examples
        ],
    )
