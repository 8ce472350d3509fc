"""What docstrings need to be read as Markdown: examples and drawings as code, fields of plain data in a table."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from griffe import Attribute, Class, Docstring, Extension, Object

_DRAWN: Final = re.compile(r"^\s*[├└│]|^\s{4,}", re.MULTILINE)
_DESCRIPTION: Final = re.compile(r"""description=('[^']*'|"[^"]*")""")
_DATA: Final = {"TypedDict", "AnswerModel", "ReadOptions", "WriteOptions"}
_PAGE: Final = re.compile(r"\bdocs/(\w+)\.md")
_EXAMPLE: Final = re.compile(r"^\s*>>> .*", re.MULTILINE | re.DOTALL)


class Readable(Extension):
    """Puts every paragraph with an example or a drawing between fences; tells the fields of classes of plain data."""

    def on_class(self, *, cls: Class, **_: object) -> None:
        """List the fields of a dictionary or model under what its docstring says."""
        fields = _fields(cls) if _is_data(cls) else {}
        if fields:
            said = cls.docstring.value if cls.docstring else ""
            cls.docstring = Docstring(f"{said}\n\n{_table(fields)}", parent=cls)

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = "\n\n".join(_paragraphs(obj.docstring.value))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        example = _EXAMPLE.search(paragraph)
        if example:
            yield _linked(paragraph[: example.start()])
            yield f"```python\n{example[0]}\n```"
        elif _DRAWN.search(paragraph) and not paragraph.lstrip().startswith(("- ", "* ", "1.", "```")):
            yield f"```text\n{paragraph}\n```"
        else:
            yield _linked(paragraph)


def _linked(text: str) -> str:
    """Return the text with the pages it names linked as seen from a page in a folder, as the reference is."""
    return _PAGE.sub(r"[\1](../\1.md)", text)


def _bases(cls: Class) -> list[Class]:
    """Return the bases that the same module defines."""
    found = [cls.module.members.get(str(base)) for base in cls.bases]
    return [base for base in found if isinstance(base, Class)]


def _is_data(cls: Class) -> bool:
    return bool({str(base) for base in cls.bases} & _DATA) or any(map(_is_data, _bases(cls)))


def _fields(cls: Class) -> dict[str, Attribute]:
    fields = {name: field for base in _bases(cls) for name, field in _fields(base).items()}
    own = {name: member for name, member in cls.members.items() if isinstance(member, Attribute)}
    return fields | {name: field for name, field in own.items() if field.annotation and not name.startswith("_")}


def _table(fields: dict[str, Attribute]) -> str:
    rows = [f"| `{name}` | `{field.annotation}` | {_said(field)} |" for name, field in fields.items()]
    return "\n".join(["| field | type | |", "|---|---|---|", *rows])


def _said(field: Attribute) -> str:
    found = _DESCRIPTION.search(str(field.value or ""))
    return str(ast.literal_eval(found[1])) if found else ""
