"""What there is to know of a library's index."""

from dataclasses import dataclass

from pergamum.domain.library import IndexSpec
from pergamum.domain.recall import RecallCurve
from pergamum.engine.snapshots import Saved
from pergamum.engine.view import View


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What a library's index is and takes.

    `spec` was asked for, `active` answers searches. `tail`: slots beyond the built index, scanned beside it; `unsaved`:
    slots beyond the snapshot, read again at opening. `memory_bytes` is memory of the index; the process holds
    `anonymous_bytes` of it, the rest is mapped from the snapshot and the system's to take back. `mapped_bytes` are the
    float32 vectors mapped from their file, `disk_bytes` the index snapshot.
    """

    spec: IndexSpec
    active: IndexSpec
    slots: int
    dead_slots: int
    damaged: int
    tail: int
    unsaved: int
    memory_bytes: int
    anonymous_bytes: int
    mapped_bytes: int
    disk_bytes: int
    curve: RecallCurve | None


def index_status(view: View, saved: Saved, mapped_bytes: int, disk_bytes: int) -> IndexStatus:
    """Return what there is to know of the view's index; the bytes are the store's."""
    slots, index = view.state.next_slot, view.index
    return IndexStatus(
        spec=view.state.library.index,
        active=view.active,
        slots=slots,
        dead_slots=view.live.dead - view.damaged,
        damaged=view.damaged,
        tail=0 if index is None or index.built is None else slots - index.built_count,
        unsaved=slots - saved.slots,
        memory_bytes=0 if index is None else index.memory_bytes,
        anonymous_bytes=0 if index is None else index.anonymous_bytes,
        mapped_bytes=mapped_bytes,
        disk_bytes=disk_bytes,
        curve=view.curve,
    )
