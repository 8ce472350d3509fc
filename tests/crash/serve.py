"""`python -m tests.crash.serve`: the server as `pergamum serve` starts it, but saving index snapshots often.

With the argument `nursery` it imports everything once and then, for each line `PORT FOLDER` on its input, forks
a process that serves, and prints its number: so a killed server is followed by the next at once.
"""

import os
import sys

from tests.crash.subject import save_snapshots_often


def serve() -> None:
    from pergamum.cli.main import app

    app(["serve"])


def nursery() -> None:
    import pergamum.app  # noqa: F401  the point of the nursery

    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)  # the one before is dead and has let go of the folder
        port, folder = line.split()
        child = os.fork()
        if child == 0:
            os.environ.update(PERGAMUM_PORT=port, PERGAMUM_DATA_DIR=folder)
            sys.stdin.close()
            serve()
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    save_snapshots_often()
    if sys.argv[1:] == ["nursery"]:
        nursery()
    else:
        serve()
