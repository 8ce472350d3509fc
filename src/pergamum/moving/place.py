"""Places: URLs, DSNs and paths, and how they are told without their secrets."""

import re
from pathlib import Path
from typing import Final

from pergamum.moving.base import CannotMove

_USER_INFO: Final = re.compile(r"(?P<scheme>\w+://)(?P<user>[^/?#]*)@")
_SECRET: Final = re.compile(
    r"(?P<name>\b\w*(?:passw|password|key|token|secret)\w*\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&']+)", re.IGNORECASE
)


def is_url(place: str) -> bool:
    """Whether the place is a server that is asked over HTTP."""
    return place.startswith(("http://", "https://"))


def told(place: str) -> str:
    """Return the place as people may see it: without passwords, keys and tokens."""
    without_user = _USER_INFO.sub(lambda found: f"{found['scheme']}{_user(found['user'])}@", place)
    return _SECRET.sub(lambda found: f"{found['name']}***", without_user)


def identity(place: str) -> str:
    """Return what tells the place from others, without its secrets."""
    path = Path(place)
    return str(path.resolve()) if path.exists() else told(place)


def folder(place: str) -> Path:
    """Return the folder. Raises `CannotMove` when there is none: opening it must not make one."""
    path = Path(place)
    if not path.is_dir():
        raise CannotMove(f"there is no folder {place!r}")
    return path


def file(place: str) -> Path:
    """Return the file. Raises `CannotMove` when there is none."""
    path = Path(place)
    if not path.is_file():
        raise CannotMove(f"there is no file {place!r}")
    return path


def _user(user_info: str) -> str:
    user, colon, _ = user_info.partition(":")
    return f"{user}:***" if colon else user
