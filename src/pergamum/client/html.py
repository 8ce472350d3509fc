"""Answers as notebooks show them. Everything that came from outside is escaped: a stored text is shown, never run."""

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

import numpy as np

from pergamum.client.frames import Frame
from pergamum.wire.search import HitOut

MOST_ROWS: Final = 20
MOST_CHARACTERS: Final = 240


def hits(title: str, found: Sequence[HitOut]) -> str:
    """Return a table of the first hits: score, document (its title, if selected), text with highlights, metadata."""
    rows = [
        (f"{hit.score:.4g}", _shown(_called(hit)), _marked(hit.text, hit.highlights or ()), _facts(hit.metadata))
        for hit in islice(found, MOST_ROWS)
    ]
    return _table(title, ("score", "document", "text", "metadata"), rows, len(found) - len(rows))


def _called(hit: HitOut) -> str:
    return (hit.document.title if hit.document else None) or hit.document_id


def frame(title: str, shown: Frame, *, more: bool = False) -> str:
    """Return the first rows of a table; `more` says that it goes on beyond what was asked for."""
    columns = [column.values[:MOST_ROWS] for column in shown.columns]
    rows = [tuple(_shown(value) for value in row) for row in zip(*columns, strict=True)]
    total = len(shown.columns[0].values) if shown.columns else 0
    return _table(title, [column.name for column in shown.columns], rows, total - len(rows), more=more)


def facts(title: str, shown: Mapping[str, object]) -> str:
    """Return names and values, one a row."""
    cells = {name: _facts(value) if isinstance(value, Mapping) else _shown(value) for name, value in shown.items()}
    return _table(title, (), [(_shown(name), cell) for name, cell in cells.items()], 0)


def _table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], left_out: int, *, more: bool = False
) -> str:
    """Return a table of cells that are HTML already; the title and the heads are text."""
    head = "".join(f"<th>{_escaped(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    rest = f"{left_out} more" if left_out else "more follow" if more else ""
    return (
        f'<div class="pergamum"><p>{_escaped(title)}</p><table>'
        + (f"<thead><tr>{head}</tr></thead>" if heads else "")
        + f"<tbody>{body}</tbody></table>"
        + (f"<p>{rest}</p>" if rest else "")
        + "</div>"
    )


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray):
        return f"{value.size} numbers"
    if isinstance(value, datetime):
        return _escaped(value.isoformat(sep=" ", timespec="seconds"))
    return _escaped(_cut(str(value)))


def _facts(values: Mapping[str, object]) -> str:
    return "<br>".join(f"{_escaped(name)}: {_shown(value)}" for name, value in values.items())


def _marked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the beginning of the text, its highlights marked."""
    pieces, done, end = [], 0, min(len(text), MOST_CHARACTERS)
    for begin, stop in spans:
        if begin >= end:
            break
        marked = text[begin : min(stop, end)]
        pieces += [_escaped(text[done:begin]), f"<mark>{_escaped(marked)}</mark>"]
        done = begin + len(marked)
    pieces.append(_escaped(text[done:end]))
    return "".join(pieces) + ("…" if len(text) > end else "")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
