"""Single faults: one call of a script fails, and what follows is judged. Run under the recorder (`sweep` starts it).

The script is cut into segments, each begun from a folder prepared by the commands before it. A trial is one failing
call of one segment, in processes forked from one that has imported everything and opened nothing:

1. open the folder, send the segment's commands, close (or die); the chosen call fails with the chosen action;
2. open it again: it holds every acknowledged command and half of none, and takes further commands;
3. cut the power at moments from the fault on: the images hold what was acknowledged by then, although what was dirty
   when a sync failed never reached the disk.
"""

import errno
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.crash.checker import Broken, Progress, check
from tests.crash.helpers import PROCESSES, quick_folder, run_all, silence
from tests.crash.recording import SHORT, SHORT_THEN_FULL, Call, Event, Kind, Marker, Preloaded, Recorder, read_log
from tests.crash.replay import images
from tests.crash.subject import open_database
from tests.crash.workload import Command, Database, Ledger, State, about, afterwards, applies, carry_out, script

LANE = "a"
TIME_LIMIT = 60
ACTIONS: Mapping[Call, Sequence[int]] = {
    Call.WRITE: (errno.EIO, errno.ENOSPC, SHORT, SHORT_THEN_FULL),
    Call.SYNC: (errno.EIO, errno.ENOSPC),
    Call.NAME: (errno.EIO, errno.ENOSPC),
}


KILLED_AFTER = {errno.ENOSPC, SHORT_THEN_FULL}
"""After these the process dies instead of closing: what it leaves in the log is then recovered, not discarded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sweep: a script of `length` commands, cut in segments.

    Every `stride`-th call of `calls` fails, in turn with each action, or (`all_actions`) with every one. `cut` images
    are judged after a failed sync, one after another failure. `part` of `parts` is what this process does.
    """

    subject: str
    length: int = 200
    segment: int = 10
    seed: int = 5
    stride: int = 1
    all_actions: bool = False
    part: int = 0
    parts: int = 1
    cut: int = 3
    calls: tuple[int, ...] = tuple(Call)


@dataclass(frozen=True, slots=True)
class Trial:
    """The `nth` call of a class fails in a segment."""

    segment: int
    call: Call
    nth: int
    action: int

    def __str__(self) -> str:
        action = {SHORT: "SHORT", SHORT_THEN_FULL: "SHORT_THEN_FULL"}.get(self.action) or errno.errorcode[self.action]
        return f"segment {self.segment}, {self.call.name} {self.nth}, {action}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a sweep did: calls of the script that were made to fail, trials, images judged, promises broken."""

    points: int
    trials: int
    images: int
    broken: list[str]


def in_child(work: Callable[[], object]) -> tuple[object, str]:
    """Run `work` in a forked process; return its result (as JSON carries it) and an error ("" when there is none)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _child(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not told:
        return None, f"the process ended with status {status}"
    result, error = json.loads(told)
    return result, str(error)


def _child(work: Callable[[], object], writer: int) -> None:
    signal.alarm(TIME_LIMIT)
    try:
        told = json.dumps((work(), ""))
    except BaseException as error:  # noqa: BLE001  whatever it is, the parent reports it
        told = json.dumps((None, f"{type(error).__name__}: {error} | {_place(error)}"))
    os.write(writer, told.encode())
    os._exit(0)


def _place(error: BaseException) -> str:
    return " < ".join(
        f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)[:-6:-1]
    )


class Sweep:
    """Prepares the segments' folders, then runs trials."""

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan, self._home, self._recorder = plan, home, Preloaded()
        self._commands = script(LANE, plan.length, plan.seed)
        self._states: list[State] = [{}]
        for command in self._commands:
            self._states.append(command.after(self._states[-1]))
        self._points = 0
        self._images = 0
        self._dying: Database | None = None  # held, so that no collection closes it before the process dies

    def warm(self) -> None:
        """Import and initialise in this process what the forked ones would each have to."""
        folder = self._home / "warm"
        folder.mkdir()
        database = open_database(self._plan.subject, folder)
        ledger = Ledger()
        for command in self._commands[:40]:
            carry_out(database, command, ledger)
        check(database, {LANE: ledger})
        database.close()
        shutil.rmtree(folder)
        assert threading.active_count() == 1, "a process with threads must not be forked"

    def run(self) -> Figures:
        broken: list[str] = []
        count = 0
        for trial in self._mine():
            count += 1
            if found := self._try(trial):
                broken.append(f"{trial}: {found}")
        return Figures(self._points, count, self._images, broken)

    def _mine(self) -> Iterator[Trial]:
        """Every trial of this part, in order; the actions rotate so that a stride meets all of them."""
        plan, number = self._plan, 0
        for segment in range(plan.length // plan.segment):
            calls = self._prepare(segment)
            for trial in self._trials(segment, calls):
                number += 1
                if number % plan.parts == plan.part:
                    yield trial

    def _trials(self, segment: int, calls: Mapping[Call, int]) -> Iterator[Trial]:
        for call, count in calls.items():
            if call not in self._plan.calls:
                continue
            for nth in range(1, count + 1):
                self._points += 1
                if self._points % self._plan.stride == 0:
                    for action in self._actions(ACTIONS[call]):
                        yield Trial(segment, call, nth, action)

    def _actions(self, actions: Sequence[int]) -> Sequence[int]:
        turn = self._points // self._plan.stride % len(actions)
        return actions if self._plan.all_actions else actions[turn : turn + 1]

    def _start(self, segment: int) -> Path:
        return self._home / f"start-{segment}"

    def _prepare(self, segment: int) -> dict[Call, int]:
        """Make the next segment's starting folder by running this one; return how many calls it made."""
        if segment == 0:
            self._start(0).mkdir()
        after = self._start(segment + 1)
        shutil.copytree(self._start(segment), after)
        calls, error = in_child(lambda: self._dry_run(segment, after))
        if error or not isinstance(calls, list):
            raise RuntimeError(f"segment {segment} fails without any fault: {error}")
        return {call: int(calls[call]) for call in Call}

    def _dry_run(self, segment: int, folder: Path) -> list[int]:
        self._recorder.start(folder)
        database = open_database(self._plan.subject, folder)
        for command in self._of(segment):
            database.do(command)
        database.close()
        return [self._recorder.calls(call) for call in Call]

    def _of(self, segment: int) -> list[Command]:
        return self._commands[segment * self._plan.segment : (segment + 1) * self._plan.segment]

    def _try(self, trial: Trial) -> str:
        work, log = self._home / "work", self._home / "log"
        log.unlink(missing_ok=True)
        shutil.copytree(self._start(trial.segment), work)
        try:
            _, error = in_child(lambda: self._suffer(trial, work, log))
            if error:
                return f"under the fault: {error}"
            judged, error = in_child(lambda: self._judge(trial, work, log))
            self._images += judged if isinstance(judged, int) else 0
            return error
        finally:
            shutil.rmtree(work)

    def _suffer(self, trial: Trial, work: Path, log: Path) -> None:
        self._recorder.start(work, log)
        self._recorder.arm(trial.call, trial.nth, trial.action)
        try:
            database = self._dying = open_database(self._plan.subject, work)
        except Exception:  # noqa: BLE001  opening may fail with the fault; what counts is the next opening
            return
        first = trial.segment * self._plan.segment
        self._send(database, self._of(trial.segment), first, log)
        if trial.action not in KILLED_AFTER:
            with suppress(Exception):
                database.close()

    def _send(self, database: Database, commands: Sequence[Command], first: int, log: Path) -> None:
        marker, ledger = Marker(log), Ledger(self._states[first])
        for number, command in enumerate(commands, first):
            carry_out(database, command, ledger, about(marker.mark, LANE, number))

    def _judge(self, trial: Trial, work: Path, log: Path) -> int:
        """Check the folder that the fault left, go on with it, then check images. Return how many were judged."""
        self._recorder.start(work, log)
        progress = self._progress(trial)
        for event in read_log(log):
            progress.follow(event)
        self._reopen(trial, progress, work, log)
        self._recorder.stop()
        return self._cut_power(trial, log)

    def _progress(self, trial: Trial) -> Progress:
        commands = [*self._commands, *self._afterwards(trial)]
        return Progress({LANE: commands}, {LANE: self._states[trial.segment * self._plan.segment]})

    def _afterwards(self, trial: Trial) -> list[Command]:
        """Return commands for every library that the segment may have left."""
        first = trial.segment * self._plan.segment
        names = dict.fromkeys(itertools.chain(*self._states[first : first + self._plan.segment + 1]))
        return afterwards(LANE, names)

    def _reopen(self, trial: Trial, progress: Progress, work: Path, log: Path) -> None:
        database = open_database(self._plan.subject, work)
        marker, ledger = Marker(log), progress.lanes[LANE]
        ledger.found(check(database, progress.lanes))
        for number, command in enumerate(self._afterwards(trial), self._plan.length):
            refused = carry_out(database, command, ledger, about(marker.mark, LANE, number))
            if refused and applies(command, ledger.possible[0]):
                raise Broken(f"opened again without a fault, it does not take {str(command)[:100]}: {refused}")
        check(database, progress.lanes)
        database.close()

    def _cut_power(self, trial: Trial, log: Path) -> int:
        events, progress, done = read_log(log), self._progress(trial), 0
        moments = self._moments(trial, events)
        for moment, image in images(events, moments, self._home, seed=trial.nth, start=self._start(trial.segment)):
            while done < moment:
                progress.follow(events[done])
                done += 1
            try:
                database = open_database(self._plan.subject, image)
                check(database, progress.lanes)
                database.close()
            except Exception as error:
                raise Broken(
                    f"power cut at event {moment} of {len(events)}: {type(error).__name__}: {error}"
                ) from error
            finally:
                shutil.rmtree(image)
        return len(moments)

    def _moments(self, trial: Trial, events: Sequence[Event]) -> list[int]:
        fault = next((at for at, event in enumerate(events) if event.kind is Kind.FAULT), 0)
        rng = random.Random(f"{trial}")
        count = self._plan.cut if trial.call is Call.SYNC else 1
        return sorted(rng.randint(fault, len(events)) for _ in range(count))


def sweep(plan: Plan) -> Figures:
    """Sweep with all processors, each process under the recorder."""
    tasks = [asdict(replace(plan, part=part, parts=PROCESSES)) for part in range(PROCESSES)]
    with tempfile.TemporaryDirectory() as nowhere:
        environment = Recorder(Path(nowhere), Path(os.devnull)).environment()
        found = [part for part in run_all("tests.crash.faults", tasks, environment) if isinstance(part, dict)]
    return Figures(
        points=found[0]["points"],
        trials=sum(part["trials"] for part in found),
        images=sum(part["images"] for part in found),
        broken=[text for part in found for text in part["broken"]],
    )


def main(task: str, result: str) -> None:
    silence()
    with tempfile.TemporaryDirectory(dir=quick_folder()) as home:
        sweep = Sweep(Plan(**json.loads(task)), Path(home))
        sweep.warm()
        figures = sweep.run()
    Path(result).write_text(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main(*sys.argv[1:])
