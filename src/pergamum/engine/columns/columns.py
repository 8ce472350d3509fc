"""The columns of a library at one position, and filters over them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Final, TypeAlias, cast

import numpy as np
import structlog

from pergamum.domain.fields import CHUNK_COLUMNS, DOCUMENT_COLUMNS, Level
from pergamum.domain.filters import And, CheckedFilter, Not, Or, Test
from pergamum.engine.columns.cache import RESULTS
from pergamum.engine.columns.expressions import flags_of, predicate
from pergamum.engine.columns.following import FAILURES, Changed, changed, chunk_run, document_run
from pergamum.engine.columns.names import LIVE
from pergamum.engine.columns.table import Table, read_only
from pergamum.engine.row_tests import answered_by_rows, tests_of
from pergamum.engine.written import Written
from pergamum.index.mask import Flags, SlotMask
from pergamum.storage.base import LibraryState, Rows

Special: TypeAlias = Callable[[Test], Flags]
"""Says where a test holds that the rows answer: by slot, or by number of document, as its field is of either."""

log = structlog.get_logger(__name__)

_OWNER: Final = CHUNK_COLUMNS["document_id"]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The fields of chunks by slot and of documents by number, under a schema of this `era`. Threads: any.

    Invariant: `chunks.count` is the next_slot of the view, and every number of a document is below `documents.count`.
    """

    era: int
    chunks: Table = field(default_factory=Table)
    documents: Table = field(default_factory=lambda: Table(count=1))

    def evaluate(self, checked: CheckedFilter, level: Level, special: Special, *, keep: bool = True) -> Flags:
        """Return where the filter holds: by slot (live or not) or by number of document (existing or not), read-only.

        What it came to is kept for the next time unless `keep` is false: what `special` says is not of this position.
        """
        serials = (self.documents.serial, self.chunks.serial if level is Level.CHUNK else None)
        key = ("filter", *serials, RESULTS.number(checked))
        flags = cast("Flags | None", RESULTS.get(key))
        if flags is None:
            flags = read_only(_Evaluation(self, special).at(checked, level))
            if keep:
                RESULTS.put(key, flags, flags.nbytes)
        return flags

    def allowed(self, checked: CheckedFilter, live: SlotMask, special: Special, *, keep: bool = True) -> SlotMask:
        """Return the slots that are `live` and whose chunk passes the filter; none beyond."""
        known = self.known(checked, live)
        if known is not None:
            return known
        flags = self.evaluate(checked, Level.CHUNK, special, keep=keep)
        mask = SlotMask.of(flags & live.flags(len(flags)))
        if keep:
            RESULTS.put(self._mask_key(checked), (live, mask), mask.flat().nbytes)  # whole blocks, however few slots
        return mask

    def known(self, checked: CheckedFilter, live: SlotMask) -> SlotMask | None:
        """Return what `allowed` would, if it is kept. O(conditions)."""
        kept = cast("tuple[SlotMask, SlotMask] | None", RESULTS.get(self._mask_key(checked)))
        return kept[1] if kept is not None and kept[0] is live else None

    def _mask_key(self, checked: CheckedFilter) -> tuple[object, ...]:
        return ("mask", self.documents.serial, self.chunks.serial, RESULTS.number(checked))

    def live_documents(self) -> Flags:
        """Return by number which documents exist, read-only."""
        key = ("live", self.documents.serial)
        flags = cast("Flags | None", RESULTS.get(key))
        if flags is None:
            flags = self.documents.placed(lambda run: flags_of(run.frame[LIVE]))
            RESULTS.put(key, flags, flags.nbytes)
        return flags

    def following(self, written: Written, state: LibraryState, rows: Rows) -> "Columns | None":
        """Return the columns after a group of commands that leaves the library at `state`. O(what changed).

        None where they have to be read from the rows again: stored values mean something else in the schema's new era.
        `rows` are those inside the transaction. A failure costs the columns, never the write.
        """
        if state.library.metadata_schema.era != self.era:
            return None
        try:
            return self.with_rows(changed(written, rows), state)
        except FAILURES as error:
            log.error("columns lost, they are made from the rows again", reason=str(error))
            return None

    def with_rows(self, rows: Changed, state: LibraryState) -> "Columns":
        """Return the columns with rows replaced, added and removed. O(rows). REQUIRES: `state` is of this era."""
        schema = state.library.metadata_schema
        beyond = max(rows.documents, default=0) + 1
        return Columns(
            self.era,
            self.chunks.following(chunk_run(rows.chunks, schema), state.next_slot),
            self.documents.following(document_run(rows.documents, schema), max(self.documents.count, beyond)),
        )

    @property
    def untidy(self) -> bool:
        """Whether `tidied` has something to do."""
        return self.chunks.untidy or self.documents.untidy

    def tidied(self) -> "Columns":
        """Return the same columns in fewer runs, where writes left too many. O(rows of the runs that are merged)."""
        chunks, documents = self.chunks, self.documents
        return replace(
            self,
            chunks=chunks.tidied() if chunks.untidy else chunks,
            documents=documents.tidied() if documents.untidy else documents,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluation:
    columns: Columns
    special: Special

    def at(self, node: CheckedFilter, level: Level) -> Flags:
        """Return where a node holds. Conditions on documents are put together first, then brought to their chunks."""
        if level is Level.CHUNK and _of_documents(node):
            return self.columns.chunks.gathered(self.at(node, Level.DOCUMENT))
        if isinstance(node, Test):
            return self._test(node)
        if isinstance(node, Not):
            return np.logical_not(self.at(node.part, level))
        if isinstance(node, And):
            return self._joined(node.parts, level, np.logical_and, And)
        return self._joined(node.parts, level, np.logical_or, Or)

    def _joined(
        self, parts: tuple[CheckedFilter, ...], level: Level, join: np.ufunc, kind: type[And[Test] | Or[Test]]
    ) -> Flags:
        rows = self.columns.chunks.count if level is Level.CHUNK else self.columns.documents.count
        if not parts:
            return np.full(rows, kind is And)
        of_documents: list[CheckedFilter] = []
        rest: list[CheckedFilter] = []
        for part in parts:
            (of_documents if level is Level.CHUNK and _of_documents(part) else rest).append(part)
        each = [kind(tuple(of_documents)), *rest] if of_documents else rest
        return reduce(
            lambda all_so_far, part: join(all_so_far, self.at(part, level)), each[1:], self.at(each[0], level)
        )

    def _test(self, test: Test) -> Flags:
        if test.column == _OWNER:  # only of chunks; `at` sees to the way there
            test = replace(test, column=DOCUMENT_COLUMNS["id"])
        if answered_by_rows(test.column):
            return self.special(test)
        table = self.columns.chunks if test.column.level is Level.CHUNK else self.columns.documents
        return table.flags(RESULTS.number(test), lambda: predicate(test))


def _of_documents(node: CheckedFilter) -> bool:
    """Whether the filter is about documents alone."""
    tests = list(tests_of(node))
    return bool(tests) and all(test.column.level is Level.DOCUMENT or test.column == _OWNER for test in tests)
