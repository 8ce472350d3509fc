"""The requests about a library's metadata schema."""

from pergamum.client.call import Call, Reply, json_body, path
from pergamum.client.drafts import SchemaChanges
from pergamum.wire.schema import SchemaChangeOut, SchemaOut


def get_schema(library: str) -> Call[SchemaOut]:
    """Read the schema."""
    return Call("GET", path("libraries", library, "schema"), _schema, repeatable=True)


def change_schema(library: str, changes: SchemaChanges, *, dry_run: bool) -> Call[SchemaChangeOut]:
    """Change the schema, or ask what that would break."""
    body = json_body({"dry_run": dry_run, **changes})
    return Call("PATCH", path("libraries", library, "schema"), _changed, body=body, keyed=True)


def _schema(reply: Reply) -> SchemaOut:
    return SchemaOut.model_validate_json(reply.body)


def _changed(reply: Reply) -> SchemaChangeOut:
    return SchemaChangeOut.model_validate_json(reply.body)
