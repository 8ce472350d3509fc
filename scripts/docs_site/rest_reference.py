"""The REST reference, made from the OpenAPI description of the app as it is: every route, every shape."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from pergamum.app import build
from pergamum.settings import Settings

Schema: TypeAlias = Mapping[str, Any]
"""A JSON object as OpenAPI has it."""

MARK: Final = "<!-- rest reference: written here when the site is built -->"
_RANGES: Final = (
    ("minimum", "maximum", ""),
    ("exclusiveMinimum", "exclusiveMaximum", ", ends excluded"),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " elements"),
    ("minProperties", "maxProperties", " entries"),
)
_PAGE: Final = re.compile(r"docs/(\w+)\.md")


def described() -> Schema:
    """Return the OpenAPI description of the server, made over an empty folder that is removed again."""
    with TemporaryDirectory() as folder:
        description: Schema = build(Settings(data_dir=Path(folder, "data"), log_level="error")).openapi()
    return description


def reference(api: Schema) -> str:
    """Return every route by its noun, then every shape by its name, as Markdown."""
    lines = [line for tag in _tags(api) for line in _noun(api, tag)]
    shapes: Schema = api["components"]["schemas"]
    lines += ["## Shapes", ""]
    for name in sorted(shapes):
        lines += [f"### {name}", "", *_shape(shapes[name]), ""]
    return "\n".join(lines)


def routes(api: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield method, path and description of every route, in the order of the app."""
    for path, methods in api["paths"].items():
        for method, route in methods.items():
            yield method.upper(), path, route


def _tags(api: Schema) -> Sequence[str]:
    return list(dict.fromkeys(tag for _, _, route in routes(api) for tag in route["tags"]))


def _noun(api: Schema, tag: str) -> Iterator[str]:
    yield from (f"## {tag.capitalize()}", "")
    for method, path, route in routes(api):
        if tag in route["tags"]:
            yield from (f"### `{method} {path}`", "", _text(route.get("description", "")), "")
            yield from _parameters(route.get("parameters", ()))
            yield from _body(route.get("requestBody"))
            yield from _answers(route["responses"])


def _parameters(parameters: Sequence[Schema]) -> Iterator[str]:
    if not parameters:
        return
    yield from ("| parameter | in | type | what |", "|---|---|---|---|")
    for parameter in parameters:
        schema = parameter.get("schema", {})
        words = [parameter.get("description") or schema.get("description", ""), *_limits(schema)]
        name = f"`{parameter['name']}`" + (", required" if parameter.get("required") else "")
        yield f"| {name} | {parameter['in']} | {_type(schema)} | {_cell(words)} |"
    yield ""


def _body(body: Schema | None) -> Iterator[str]:
    if body is None:
        return
    content: Schema = body["content"]
    (schema,) = {_type(part["schema"]) for part in content.values()}
    kinds = " or ".join(f"`{kind}`" for kind in content)
    yield from (f"Body, {kinds}: {schema}", "")


def _answers(responses: Schema) -> Iterator[str]:
    yield from ("| status | answer | when |", "|---|---|---|")
    for status in sorted(responses):
        answer = responses[status]
        content: Schema = answer.get("content", {})
        shapes = " or ".join(_type(part.get("schema", {})) for part in content.values()) or "nothing"
        headers = "".join(f", header `{name}`" for name in answer.get("headers", {}))
        yield f"| {status} | {shapes}{headers} | {_cell([answer['description']])} |"
    yield ""


def _shape(schema: Schema) -> Iterator[str]:
    yield from (_text(schema.get("description", "")), "")
    fields: Schema = schema.get("properties", {})
    if not fields:
        yield _type({name: value for name, value in schema.items() if name != "description"})
        return
    yield from ("| field | type | unless given | what |", "|---|---|---|---|")
    for name, field in fields.items():
        unless = "required" if name in schema.get("required", ()) else _default(field)
        yield f"| `{name}` | {_type(field)} | {unless} | {_cell([field.get('description', ''), *_limits(field)])} |"


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(schema: Schema) -> str:
    """Say what is expected in a few words, with links to other shapes."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(option) for option in schema[several]))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "any JSON"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _limits(schema: Schema) -> Iterator[str]:
    """Say the bounds of a value, those of its alternatives included."""
    for part in (schema, *schema.get("anyOf", ())):
        for least, most, unit in _RANGES:
            if least in part and most in part:
                yield f"From {part[least]:,} to {part[most]:,}{unit}."
            elif least in part:
                yield f"At least {part[least]:,}{unit}."
            elif most in part:
                yield f"At most {part[most]:,}{unit}."


def _cell(parts: Sequence[str]) -> str:
    return _text(" ".join(" ".join(part for part in parts if part).split())).replace("|", "\\|")


def _text(text: str) -> str:
    """Return what the code says with its tables kept, and the pages that it names linked."""
    return _PAGE.sub(r"[\1](../\1.md)", text.replace("<", "&lt;"))
