"""Cursors: where a list goes on. Opaque to clients: base64url of JSON with a version, the list and the last item.

A checksum tells a cursor that was cut or altered on its way from one that was made here.
"""

import base64
from typing import Final, TypeVar
from zlib import crc32

from pydantic_core import from_json, to_json

from pergamum.errors import InvalidCursor

VERSION: Final = 1
Last = TypeVar("Last", str, int)


def cursor_after(last: str | int, *the_list: str) -> str:
    """Return the cursor for what comes after the item `last` of the list that these words identify."""
    payload = to_json([VERSION, _identity(the_list), last])
    return base64.urlsafe_b64encode(payload + crc32(payload).to_bytes(4, "little")).decode("ascii").rstrip("=")


def read_cursor(cursor: str | None, kind: type[Last], *the_list: str) -> Last | None:
    """Return the last item seen, None at the beginning. Raises `InvalidCursor`."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        payload, checksum = raw[:-4], raw[-4:]
        version, identity, last = from_json(payload)
    except (ValueError, TypeError):
        raise InvalidCursor from None
    made_here = checksum == crc32(payload).to_bytes(4, "little") and version == VERSION
    if not made_here or identity != _identity(the_list) or type(last) is not kind:
        raise InvalidCursor
    return last


def _identity(the_list: tuple[str, ...]) -> int:
    return crc32("\0".join(the_list).encode())
