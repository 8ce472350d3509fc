"""One lane on a database in one recorded process: `python -m tests.crash.alone SUBJECT FOLDER LOG`."""

import os
import subprocess
import sys
from pathlib import Path

from tests.crash.helpers import PROJECT, silence
from tests.crash.power_cuts import Lane
from tests.crash.recording import Marker, Recorder
from tests.crash.subject import open_database
from tests.crash.workload import Ledger, about, carry_out

ALONE = Lane("a", 100, 1)


def record_alone(recorder: Recorder, subject: str) -> None:
    """Let the lane `ALONE` run, and mark in the log what is started and what is acknowledged."""
    recorder.root.mkdir()
    command = [sys.executable, "-m", "tests.crash.alone", subject, str(recorder.root), str(recorder.log)]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, **recorder.environment()}, check=True)


def main(subject: str, folder: Path, log: Path) -> None:
    """Carry out the script, closing the database and opening it again half way."""
    marker, ledger, commands = Marker(log), Ledger(), ALONE.commands()
    database = open_database(subject, folder)
    for number, command in enumerate(commands):
        if number == len(commands) // 2:
            database.close()
            database = open_database(subject, folder)
        carry_out(database, command, ledger, about(marker.mark, ALONE.name, number))
    database.close()
    marker.close()


if __name__ == "__main__":
    silence()
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
