"""Judging many images of one recording: `python -m tests.crash.power_cuts TASK RESULT`, one process a part."""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.crash.checker import Broken, Progress, check, difference, lane_of
from tests.crash.helpers import PROCESSES, quick_folder, run_all, silence
from tests.crash.recording import read_log
from tests.crash.replay import cuts, images
from tests.crash.subject import open_database
from tests.crash.workload import Command, Database, State, afterwards, script

AFTERWARDS = 8
"""One image in so many must also take further commands and show them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The script that a lane ran: its name, length and seed."""

    name: str
    length: int
    seed: int

    def commands(self) -> list[Command]:
        return script(self.name, self.length, self.seed)


@dataclass(frozen=True, slots=True)
class Task:
    """Judge `count` images of the recording in `log`: those of one part of `parts`."""

    log: str
    lanes: Sequence[Lane]
    count: int
    seed: int = 0
    subject: str = "engine"
    part: int = 0
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many images were judged, and what was wrong with how many of them."""

    images: int
    broken: list[str]


def judge(task: Task) -> Verdict:
    """Judge the images with all processors."""
    tasks = [asdict(replace(task, part=part, parts=PROCESSES)) for part in range(PROCESSES)]
    found = run_all("tests.crash.power_cuts", tasks)
    verdicts = [verdict for verdict in found if isinstance(verdict, dict)]
    return Verdict(
        sum(verdict["images"] for verdict in verdicts), [text for verdict in verdicts for text in verdict["broken"]]
    )


def judge_part(task: Task, folder: Path) -> Verdict:
    """Judge the images of this task's part in this process."""
    events = read_log(Path(task.log))
    moments = cuts(events, task.count, task.seed)[task.part :: task.parts]
    progress, done, broken = Progress({lane.name: lane.commands() for lane in task.lanes}), 0, list[str]()
    for number, (moment, image) in enumerate(images(events, moments, folder, seed=task.seed + task.part)):
        for event in events[done:moment]:
            progress.follow(event)
        done = moment
        try:
            _judge_image(task.subject, image, progress, further=number % AFTERWARDS == 0)
        except Exception as error:  # noqa: BLE001  whatever goes wrong is a finding
            broken.append(f"image {number} after event {moment} of {len(events)}: {type(error).__name__}: {error}")
        shutil.rmtree(image)
    return Verdict(len(moments), broken)


def _judge_image(subject: str, image: Path, progress: Progress, *, further: bool) -> None:
    database = open_database(subject, image)
    try:
        held = check(database, progress.lanes)
        if further:
            _go_on(database, held)
    finally:
        database.close()


def _go_on(database: Database, held: State) -> None:
    for lane in {lane_of(name) for name in held}:
        for command in afterwards(lane, [name for name in held if name.startswith(f"{lane}.")]):
            held = command.after(held)
            database.do(command)
    if database.dump() != held:
        raise Broken(f"after further commands: {difference(held, database.dump())}")


def main(task: str, result: str) -> None:
    silence()
    fields = json.loads(task)
    with tempfile.TemporaryDirectory(dir=quick_folder()) as folder:
        verdict = judge_part(Task(**{**fields, "lanes": [Lane(**lane) for lane in fields["lanes"]]}), Path(folder))
    Path(result).write_text(json.dumps(asdict(verdict)))


if __name__ == "__main__":
    main(*sys.argv[1:])
