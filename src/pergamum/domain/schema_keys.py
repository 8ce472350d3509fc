"""Metadata by the names that clients use, and by the keys that rows hold it under.

A field keeps its key for life, so renaming it touches no row, and a dropped key is never given again, so dropping one
touches none either: a field of the same name that comes later has another key. The key of a name that has none yet is
the name itself, behind as many U+001B as it takes not to be a key that a field has or had. Metadata whose name is no
field's is stored under that same key; so when a field of the name is added, it takes over what rows hold. REQUIRES: no
name begins with U+001B (`metadata.py` refuses it).
"""

from typing import Final

from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.schema import LevelKeys, MetadataSchema

MARK: Final = "\x1b"


def free_key(keys: LevelKeys, name: str) -> str:
    """Return the key that no field has or had and that belongs to the name: that of metadata which is no field's."""
    key = name
    while key in keys.taken:
        key = MARK + key
    return key


def stored(schema: MetadataSchema, level: Level, named: JsonObject) -> JsonObject:
    """Return the metadata by its keys."""
    keys = schema.keys(level)
    if keys.plain or not named:
        return named
    fields = schema.fields(level)
    return {fields[name].key if name in fields else free_key(keys, name): value for name, value in named.items()}


def named(schema: MetadataSchema, level: Level, stored: JsonObject) -> JsonObject:
    """Return the metadata by its names. What dropped fields left behind vanishes."""
    keys = schema.keys(level)
    if keys.plain or not stored:
        return stored
    known: JsonObject = {}
    extra: JsonObject = {}
    for key, value in stored.items():
        name = keys.names.get(key)
        if name is None:
            if key not in keys.taken:
                extra[_undeclared(keys, key)] = value
        elif name in keys.widened and isinstance(value, str | int | float):
            known[name] = [value]
        else:
            known[name] = value
    return extra | known  # a null beside a field that was given its name since is no value


def _undeclared(keys: LevelKeys, key: str) -> str:
    name = key.lstrip(MARK)
    return name if name in keys.taken else key
