"""JSON values and how a patch changes them."""

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
JsonObject: TypeAlias = dict[str, Json]


def merge_patch(target: Json, patch: Json) -> Json:
    """Return `target` changed by `patch` (RFC 7396): objects merge, null removes, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def merge_object(target: JsonObject, patch: JsonObject | None) -> JsonObject:
    """Return the object `target` changed by `patch`; null empties it."""
    if patch is None:
        return {}
    merged = merge_patch(dict(target), dict(patch))
    assert isinstance(merged, dict)  # an object merged into an object is an object
    return merged
