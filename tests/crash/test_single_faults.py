"""One call fails: nothing acknowledged is lost, nothing is halved, and after a failed sync nothing is believed.

Every seventh write, sync and change of a name of a 200-command script fails here, the actions (EIO, ENOSPC, a short
write, a short write on a disk that is then full) taking turns; every one would take ten minutes.
`scripts/fault-sweep` makes every call fail with every action.
"""

import pytest

from tests.crash.faults import Plan, sweep
from tests.crash.recording import Call

STRIDE = 7

pytestmark = pytest.mark.xdist_group("faults")  # as much work as all other crash tests together


@pytest.mark.parametrize("call", [Call.SYNC, Call.WRITE, Call.NAME])
def test_a_failing_call_costs_nothing_acknowledged(call: Call) -> None:
    figures = sweep(Plan("engine", stride=STRIDE, cut=2, calls=(call,)))

    # Each process counts the calls itself, and threads make a few more or fewer of them from run to run.
    assert figures.trials >= 0.98 * (figures.points // STRIDE)
    assert figures.broken == []
