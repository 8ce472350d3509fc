"""What a move has done, and what it could not carry: counted, with examples."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pergamum.moving.fields import Fields

MOST_EXAMPLES: Final = 3
MOST_FINDINGS: Final = 200
"""Different things that are told; what comes after is counted together."""
_LONGEST_EXAMPLE: Final = 160


class Lost(StrEnum):
    """What was not carried over as it was."""

    ROW = "rows left out"
    PART = "parts left out of rows that came"
    CHANGED = "changed on the way"


@dataclass(slots=True)
class Finding:
    """One reason, how often it was met, and the first examples."""

    lost: Lost
    reason: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What became of the rows that were read. `moved` and `left_out` make up `read`.

    It is kept between the runs of a move that was interrupted.
    """

    read: int = 0
    moved: int = 0
    left_out: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    fields: Fields = field(default_factory=Fields)

    def leave_out(self, row: str, reason: str, detail: str = "") -> None:
        """Count a row that does not come."""
        self.left_out += 1
        self.note(Lost.ROW, reason, f"{row}: {detail}" if detail else row)

    def note(self, lost: Lost, reason: str, example: str = "", count: int = 1) -> None:
        """Count something that did not come as it was."""
        key = f"{lost}: {reason}"
        if key not in self.findings and len(self.findings) >= MOST_FINDINGS:
            key, reason = f"{lost}: others", "for other reasons"
        found = self.findings.setdefault(key, Finding(lost, reason))
        found.count += count
        if example and len(found.examples) < MOST_EXAMPLES:
            found.examples.append(_short(example))

    def add(self, page: "Report") -> None:
        """Add what became of one more page."""
        self.read += page.read
        self.moved += page.moved
        self.left_out += page.left_out
        self.fields.add(page.fields)
        for found in page.findings.values():
            for example in found.examples:
                self.note(found.lost, found.reason, example, 0)
            self.note(found.lost, found.reason, count=found.count)

    def of(self, lost: Lost) -> list[Finding]:
        """Return what was lost in this way, the most frequent first."""
        return sorted((found for found in self.findings.values() if found.lost is lost), key=lambda f: -f.count)

    def lines(self) -> Iterator[str]:
        """Yield what people read about what did not come as it was; nothing where everything did."""
        for lost in Lost:
            found = self.of(lost)
            if found:
                yield f"{lost}:"
                yield from (_line(each) for each in found)
        untyped = self.fields.untyped()
        if untyped:
            yield "stored, but no filter sees them:"
            for name, kinds in sorted(untyped.items()):
                yield f"  {name!r}: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))


def _line(found: Finding) -> str:
    examples = f" ({'; '.join(found.examples)}{'; ...' if found.count > len(found.examples) else ''})"
    return f"  {found.count:,} {found.reason}{examples if found.examples else ''}"


def _short(example: str) -> str:
    return example if len(example) <= _LONGEST_EXAMPLE else f"{example[:_LONGEST_EXAMPLE]}..."
