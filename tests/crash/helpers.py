"""Running the parts of the crash tests that need processes of their own, several at once."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

PROJECT = Path(__file__).parents[2]
PROCESSES = os.cpu_count() or 1


def quick_folder() -> str | None:
    """Return a folder in memory, if there is one: what is durable is decided by the replay, not by the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def silence() -> None:
    """Log nothing: what happens after a crash is judged by what is found, and the engine has much to say about it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def run_all(module: str, tasks: Sequence[object], environment: Mapping[str, str] | None = None) -> list[object]:
    """Run `python -m module TASK RESULT` for each task at once; return the results in order, both being JSON."""
    with tempfile.TemporaryDirectory() as folder:
        results = [Path(folder, str(number)) for number in range(len(tasks))]
        running = [
            subprocess.Popen(
                [sys.executable, "-m", module, json.dumps(task), str(result)],
                cwd=PROJECT,
                env={**os.environ, **(environment or {})},
            )
            for task, result in zip(tasks, results, strict=True)
        ]
        codes = [process.wait() for process in running]
        if any(codes):
            raise RuntimeError(f"{module} ended with {codes}")
        return [json.loads(result.read_text()) for result in results]
