"""Answers that are tables as well, and that notebooks show as such.

>>> library.documents.add(id="tides", text="The moon pulls the sea.", metadata={"year": 1687}).chunks
1
>>> found = library.search(text="what moves the ocean?", k=3)
>>> len(found), found[0].document_id, [hit.score > 0 for hit in found]
(1, 'tides', [True])
>>> found.to_pandas()[["document_id", "text"]]
  document_id                     text
0       tides  The moon pulls the sea.

`to_polars` and `to_arrow` are the same. Tables take `pip install "pergamum[frames]"`; which columns there are, and what
they are called, `layouts.py` says, and `Frame` of what types they are.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

from pydantic import PrivateAttr

from pergamum.client import html
from pergamum.client.frames import Column, Frame, Kind, kind_of
from pergamum.client.layouts import HITS
from pergamum.wire.common import AnswerModel
from pergamum.wire.index import IndexOut, PreflightOut, RecallPointOut
from pergamum.wire.libraries import LibraryOut
from pergamum.wire.search import HitOut, SearchOut
from pergamum.wire.selection import FacetOut, FacetsOut

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Tabular:
    """What can be a table."""

    @abstractmethod
    def frame(self) -> Frame:
        """Return the columns."""

    def __str__(self) -> str:
        return repr(self)

    def to_pandas(self) -> "pd.DataFrame":
        """Return a pandas frame. Raises ImportError without pandas."""
        return self.frame().to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """Return a polars frame. Raises ImportError without polars."""
        return self.frame().to_polars()

    def to_arrow(self) -> "pa.Table":
        """Return an Arrow table. Raises ImportError without pyarrow."""
        return self.frame().to_arrow()


class SearchResult(Tabular, SearchOut):
    """Hits, best first: iterate over them, count them, take the first with [0]. Of groups: theirs, in order.

    As a table: one row a hit.
    """

    _select: tuple[str, ...] | None = PrivateAttr(None)

    def selecting(self, select: Sequence[str]) -> "SearchResult":
        """Say which fields were asked for: they are columns even if nothing was found. Returns itself."""
        self._select = tuple(select)
        return self

    def __iter__(self) -> Iterator[HitOut]:  # type: ignore[override]  # over hits, not over the model's fields
        return iter(self._hits())

    def __len__(self) -> int:
        return len(self._hits())

    @overload
    def __getitem__(self, place: int) -> HitOut: ...
    @overload
    def __getitem__(self, place: slice) -> list[HitOut]: ...
    def __getitem__(self, place: int | slice) -> HitOut | list[HitOut]:
        return self._hits()[place]

    def frame(self) -> Frame:
        """Return the hits as columns."""
        return HITS.frame(self._hits(), ("text",) if self._select is None else self._select)

    def __repr__(self) -> str:
        groups = "" if self.groups is None else f" in {len(self.groups)} groups"
        how = "exact" if self.exact else f"expected_recall={self.expected_recall:.3g}"
        return f"SearchResult({len(self)} hits{groups}, {how}, position={self.position})"

    def _repr_html_(self) -> str:
        return html.hits(repr(self), self._hits())

    def _hits(self) -> list[HitOut]:
        if self.groups is None:
            return self.hits
        return [hit for group in self.groups for hit in group.hits]


class SearchResults(AnswerModel):
    """One answer for each query, in order."""

    answers: list[SearchResult]


class Facets(Tabular, FacetsOut):
    """How values are spread. As a table: one row for each value, range, least and greatest value, and lack of a value.

    >>> facets = library.facets({"field": "year", "top": 3})
    >>> facets.to_pandas()[["field", "kind", "value", "count"]]
      field   kind  value  count
    0  year  value   1687      1
    """

    def frame(self) -> Frame:
        """Return a row for each thing counted; `kind` says what it is."""
        rows = [row for facet in self.facets for row in _facet_rows(facet)]
        columns = {name: [row.get(name) for row in rows] for name in _FACET_COLUMNS}
        kinds = {"field": Kind.STRING, "kind": Kind.STRING, "count": Kind.INTEGER}
        made = (Column(name, kinds.get(name) or kind_of(values), values) for name, values in columns.items())
        return Frame(tuple(made))

    def __repr__(self) -> str:
        return f"Facets({', '.join(facet.field for facet in self.facets)}; of {self.count}, position={self.position})"

    def _repr_html_(self) -> str:
        return html.frame(repr(self), self.frame())


class _Measured(Tabular):
    """Something with a curve of recall."""

    recall_curve: list[RecallPointOut] | None

    def frame(self) -> Frame:
        """Return the curve, one row a point."""
        points = self.recall_curve or []
        return Frame(
            tuple(Column(name, kind, [getattr(point, name) for point in points]) for name, kind in _CURVE.items())
        )


class IndexStatus(_Measured, IndexOut):
    """How the library is searched. As a table: the curve of recall, one row a point."""

    def __repr__(self) -> str:
        return f"IndexStatus(kind={self.kind!r}, active={self.active!r}, slots={self.slots}, tail={self.tail})"

    def _repr_html_(self) -> str:
        shown = self.model_dump(mode="json", exclude={"recall_curve"}, exclude_none=True)
        return html.facts(repr(self), shown) + html.frame("recall curve", self.frame())


class Preflight(_Measured, PreflightOut):
    """What an index is predicted to take. As a table: the curve of recall, one row a point."""

    def _repr_html_(self) -> str:
        shown = self.model_dump(mode="json", exclude={"recall_curve"}, exclude_none=True)
        return html.facts("predicted", shown) + html.frame("recall curve", self.frame())


class LibraryInfo(LibraryOut):
    """A library and how much it holds at `position`."""

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"LibraryInfo(name={self.name!r}, documents={self.documents}, chunks={self.chunks})"

    def _repr_html_(self) -> str:
        return html.facts(self.name, self.model_dump(mode="json", exclude_none=True))


class LibraryInfos(AnswerModel):
    """Libraries by ascending name."""

    items: list[LibraryInfo]
    next_cursor: str | None


_FACET_COLUMNS: Final = ("field", "kind", "value", "gt", "gte", "lt", "lte", "min", "max", "count")
_CURVE: Final = {
    "strategy": Kind.STRING,
    "effort": Kind.INTEGER,
    "k": Kind.INTEGER,
    "selectivity": Kind.FLOAT,
    "foreign": Kind.BOOLEAN,
    "recall": Kind.FLOAT,
    "low": Kind.FLOAT,
    "high": Kind.FLOAT,
    "seconds": Kind.FLOAT,
    "queries": Kind.INTEGER,
}
assert set(_CURVE) == set(RecallPointOut.model_fields)


def _facet_rows(facet: FacetOut) -> Iterator[dict[str, Any]]:
    for value in facet.values or ():
        yield {"field": facet.field, "kind": "value", "value": value.value, "count": value.count}
    for bounds in facet.ranges or ():
        yield {"field": facet.field, "kind": "range", **bounds.model_dump()}
    if facet.stats is not None:
        yield {"field": facet.field, "kind": "stats", "min": facet.stats.min, "max": facet.stats.max}
    if facet.missing:
        yield {"field": facet.field, "kind": "missing", "count": facet.missing}
