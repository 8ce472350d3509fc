"""One call fails: nothing acknowledged is lost, nothing is halved, and after a failed sync nothing is believed.

Every sync and every change of a name of a 200-command script fails here, and a share of the writes, the actions (EIO,
ENOSPC, a short write, a short write on a disk that is then full) taking turns. `scripts/fault-sweep` makes every call
fail with every action.
"""

import os

import pytest

from tests.crash.faults import Plan, sweep
from tests.crash.recording import Call

STRIDE = int(os.environ.get("PERGAMUM_FAULT_STRIDE", "1"))

pytestmark = pytest.mark.xdist_group("crash")


@pytest.mark.parametrize(("call", "stride"), [(Call.SYNC, 1), (Call.WRITE, 6), (Call.NAME, 2)])
def test_a_failing_call_costs_nothing_acknowledged(call: Call, stride: int) -> None:
    figures = sweep(Plan("engine", stride=stride * STRIDE, cut=2, calls=(call,)))

    assert figures.trials >= figures.points // (stride * STRIDE)
    assert figures.broken == []
