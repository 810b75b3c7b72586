"""Differences between planned and stored objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def differences(planned: Any, found: Any, *, path: str = "", whole: bool = False) -> list[str]:
    """Return the paths at which `found` is not as planned; empty when there are none.

    A list must have the planned items, in order, and no others.

    Args:
        planned: the value that was applied.
        found: the value that is stored.
        path: the path of the value within the object.
        whole: whether a key that was not planned is a difference too.
    """
    if isinstance(planned, Mapping):
        if not isinstance(found, Mapping):
            return [path]
        surplus = [key for key in found if key not in planned and found[key] not in _EMPTY]
        return [
            *(
                difference
                for key, value in planned.items()
                for difference in _key_differences(key, value, found, path, whole=whole)
            ),
            *(_join_path(path, key) for key in (surplus if whole else ())),
        ]
    if isinstance(planned, Sequence) and not isinstance(planned, str):
        if not isinstance(found, Sequence) or len(found) != len(planned):
            return [path]
        pairs = enumerate(zip(planned, found, strict=True))
        return [
            difference
            for index, (item, other) in pairs
            for difference in differences(item, other, path=f"{path}[{index}]", whole=whole)
        ]
    return [] if planned == found else [path]


# An API server does not store all of these: they are the same as an absent key.
_EMPTY: tuple[Any, ...] = (None, {}, [], "")


def _key_differences(
    key: str, value: Any, found: Mapping[str, Any], path: str, *, whole: bool
) -> list[str]:
    below = _join_path(path, key)
    if key not in found:
        return [] if value in _EMPTY else [below]
    return differences(value, found[key], path=below, whole=whole)


def _join_path(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def merge_patch(old: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that turns `old` into `new`; empty for no change."""
    before = old if isinstance(old, Mapping) else {}
    patch: dict[str, Any] = {key: None for key in before if key not in new}
    for key, value in new.items():
        if isinstance(value, Mapping) and isinstance(before.get(key), Mapping):
            inner = merge_patch(before[key], value)
            if inner:
                patch[key] = inner
        elif key not in before or before[key] != value:
            patch[key] = value
    return patch
