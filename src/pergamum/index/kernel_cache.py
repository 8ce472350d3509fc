"""Compiled kernels: where they are kept, when they are loaded, who compiles them.

Importing numba takes most of a second and compiling most of a minute, with the interpreter lock held. So a server
compiles in a child process, which fills a folder, and loads that; until then NumPy answers. The folder is named by a
hash of every kernel source, the numba version and the processor, because numba's own cache does not notice a change in
another file than the kernel's; a folder is complete once it holds the file `complete`.

    python -m pergamum.index.kernel_cache [base folder]       fills the cache and names its folder
"""

import atexit
import fcntl
import gc
import hashlib
import logging
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pergamum.lifeline import end_with, lifeline

_FOR_SEARCHES = (
    "heap",
    "distance_kernels",
    "quantize_kernels",
    "brute_force.kernels",
    "row_kernels",
    "hnsw.pool_kernels",
    "hnsw.kernels",
    "hnsw.rotation_kernels",
    "hnsw.wide_kernels",
    "hnsw.search_kernels",
    "ivf.kernels",
)
"""What nearly every search needs: once these are loaded, NumPy no longer answers."""
_OTHERS = (
    "hnsw.build_kernels",
    "hnsw.wide_build_kernels",
    "ivf.build_kernels",
    "kd_tree.kernels",
    "lsh.hash_kernels",
    "lsh.kernels",
)
"""Builds, and the kinds that `auto` never chooses. Who needs one earlier than it is loaded loads it himself."""
_LOCK_SECONDS = 0.0005
"""While kernels are loaded, whoever wants the interpreter lock gets it after so long: ten times sooner than usual."""
_COMPLETE = "complete"
_COMPILE_SECONDS = 600
_CHILD: Final = "--end-with-standard-input"
"""Said to the process that compiles for another one: nobody else's need have an input."""

_log = logging.getLogger(__name__)


class _State:
    """What this process knows: the configured base folder, and whether the kernels are loaded."""

    base: Path | None = None
    ready = False
    lock = threading.Lock()
    private: Path | None = None


def configure(base: Path | None) -> None:
    """Keep compiled kernels under `base`; None means ~/.cache/pergamum. Has no effect on kernels loaded already."""
    _State.base = base


def ready() -> bool:
    """Whether the kernels are loaded, so that searches use them."""
    return _State.ready


def load() -> bool:
    """Load the kernels if a complete cache is at hand, and return whether they are loaded. Never compiles."""
    with _State.lock:
        if not _State.ready and (_folder(_base()) / _COMPLETE).is_file():
            with _giving_way():
                folder = _writable(_folder(_base()))
                _import_from(folder, _FOR_SEARCHES)
                _State.ready = True
                _import_from(folder, _OTHERS)
    return _State.ready


def prepare() -> bool:
    """Load the kernels, compiling them in a child process first where needed; return whether they are loaded.

    Takes about a minute when it compiles, yet holds the interpreter lock only while loading: call it in a thread of its
    own. A base folder that cannot be written is replaced by a private one. If compiling fails, NumPy goes on serving.
    """
    if load() or _compile_in_child(_base()):
        return load()
    _log.warning("compiled kernels cannot be kept under %s; compiling them for this process only", _base())
    _use_private_folder()
    return _compile_in_child(_base()) and load()


def warm_up(base: Path) -> Path:
    """Compile every kernel into the cache under `base`, in this process; return the folder. A minute the first time.

    One process at a time: whoever waited finds the work done.
    """
    folder = _folder(base)
    folder.mkdir(parents=True, exist_ok=True)
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _COMPLETE).exists():
            _import_from(folder, (*_FOR_SEARCHES, *_OTHERS))
            if not _interpreted():
                (folder / _COMPLETE).touch()
    return folder


def _base() -> Path:
    """Return the folder that holds the caches of all versions."""
    return _State.private or _State.base or Path.home() / ".cache" / "pergamum"


def _use_private_folder() -> Path:
    """Return the base folder of this process alone, which is removed when it ends."""
    if _State.private is None:
        _State.private = Path(tempfile.mkdtemp(prefix="pergamum-kernels-"))
        atexit.register(shutil.rmtree, _State.private, ignore_errors=True)
    return _State.private


def _folder(base: Path) -> Path:
    """Return the folder of these kernels on this processor."""
    return base / f"kernels-{_fingerprint()}"


@cache
def _fingerprint() -> str:
    """Hash everything that compiled code depends on. Kernel sources are all sources of the index package."""
    index = Path(__file__).parent
    digest = hashlib.sha256()
    for part in (str(index), version("numba"), version("llvmlite"), platform.python_version(), _processor()):
        digest.update(part.encode() + b"\0")
    for source in sorted(index.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """Return what the processor says it is and can do; numba compiles for exactly that."""
    from llvmlite import binding  # noqa: PLC0415  # takes a fifth of a second

    return f"{platform.machine()} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"


def _import_from(folder: Path, modules: Iterable[str]) -> None:
    """Import kernels with numba's cache at `folder`: they come from there, or are compiled into it."""
    from numba import config  # noqa: PLC0415  # takes most of a second

    config.CACHE_DIR = str(folder)
    for module in modules:
        import_module(f"pergamum.index.{module}")


@contextmanager
def _giving_way() -> Iterator[None]:
    """Let requests have the interpreter lock soon while the block holds it nearly all the time.

    Nobody looks for cycles meanwhile, nor ever among what was made: going through numba's objects, which live as long
    as the process, took a tenth of this time, and later a third of an import's.
    """
    usual, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(min(usual, _LOCK_SECONDS))
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        sys.setswitchinterval(usual)
        if collecting:
            gc.enable()


def _interpreted() -> bool:
    """Whether numba was told (NUMBA_DISABLE_JIT=1) to compile nothing; such an import fills no cache."""
    from numba import config  # noqa: PLC0415

    return bool(config.DISABLE_JIT)


def _writable(folder: Path) -> Path:
    """Return `folder`, or a private copy where it is read-only, which numba refuses."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return Path(shutil.copytree(folder, _use_private_folder() / folder.name, dirs_exist_ok=True))
    return folder


def _compile_in_child(base: Path) -> bool:
    """Run this module in a child process, which ends with this one; return whether it filled the cache.

    Wherever it ends, what it has compiled is kept: numba gives a file its name once it is whole.
    """
    command = [sys.executable, "-m", __spec__.name, str(base), _CHILD]
    try:
        with lifeline() as standard_input:
            done = subprocess.run(
                command,
                stdin=standard_input,
                capture_output=True,
                text=True,
                timeout=_COMPILE_SECONDS,
                check=False,
                start_new_session=True,  # Ctrl-C at the terminal is for this process
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("cannot compile kernels: %s", error)
        return False
    if done.returncode:
        _log.warning("cannot compile kernels under %s: %s", base, done.stderr.strip()[-500:])
    return done.returncode == 0


if __name__ == "__main__":
    if _CHILD in sys.argv[2:]:
        end_with(sys.stdin.fileno())
    sys.stdout.write(f"{warm_up(Path(sys.argv[1]) if len(sys.argv) > 1 else _base())}\n")
