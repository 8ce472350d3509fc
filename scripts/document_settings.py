"""Writes the table of docs/settings.md from the fields of Settings: `python scripts/document_settings.py`."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from pergamum.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
START, END = "<!-- settings: start -->", "<!-- settings: end -->"
SIGNS = {Ge: ("at least", "ge"), Gt: ("more than", "gt"), Le: ("at most", "le"), Lt: ("less than", "lt")}


def table() -> str:
    """One row a knob: its variable, its default, its bounds, what it does."""
    rows = ["| variable | default | bounds | what it does |", "|---|---|---|---|"]
    prefix = Settings.model_config.get("env_prefix", "")
    for name, field in Settings.model_fields.items():
        variable = f"{prefix}{name}".upper()
        rows.append(f"| `{variable}` | {_default(field)} | {', '.join(_bounds(field))} | {_text(field)} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=False)
    if value is None:
        return "not set"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        if type(rule) in SIGNS:
            words, attribute = SIGNS[type(rule)]
            yield f"{words} {getattr(rule, attribute):,}"


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("<", "&lt;")


def rendered(page: str) -> str:
    """The page with its table replaced by what Settings says today."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
