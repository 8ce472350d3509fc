"""wait_ready.py URL PID: return once URL answers 200; fail when process PID has ended. Standard library only."""

import os
import sys
import time
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener


def alive(pid: int) -> bool:
    """Whether the process exists (one that ended and is not yet waited for does)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ready(url: str) -> bool:
    """Whether the server answers 200 at `url`, asked without any proxy."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def main() -> int:
    """Poll until one or the other is true."""
    url, pid = sys.argv[1], int(sys.argv[2])
    while alive(pid):
        if ready(url):
            return 0
        time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
