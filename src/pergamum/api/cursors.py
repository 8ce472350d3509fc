"""Cursors: where a list goes on. Opaque to clients: base64url of JSON with a version, the list and the last item.

A checksum tells a cursor that was cut or altered on its way from one that was made here.
"""

import base64
from typing import Final, TypeVar
from zlib import crc32

from pydantic_core import from_json, to_json

from pergamum.domain.listing import Last as Row
from pergamum.errors import InvalidCursor

VERSION: Final = 1
Last = TypeVar("Last", str, int, list[object])


def cursor_after(last: str | int | list[object], *the_list: str) -> str:
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


def cursor_after_row(last: Row, *the_list: str) -> str:
    """Return the cursor for what comes after a row of a list that is sorted or filtered."""
    return cursor_after([last.key, last.number], *the_list)


def read_row_cursor(cursor: str | None, *the_list: str) -> Row | None:
    """Return the last row seen, None at the beginning. Raises `InvalidCursor`."""
    last = read_cursor(cursor, list, *the_list)
    if last is None:
        return None
    match last:
        case [None | str() | int() | float() as key, int(number)]:
            return Row(key, number)
    raise InvalidCursor


def _identity(the_list: tuple[str, ...]) -> int:
    return crc32("\0".join(the_list).encode())
