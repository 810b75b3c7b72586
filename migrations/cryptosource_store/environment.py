"""Environment variables, read in one way by the settings of every part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

MAX_NUMBER = 10**12
"""Of what has no smaller limit of its own."""
_MAX_QUOTED_CHARACTERS = 40
_MAX_DIGITS = 20

Default = TypeVar("Default", int, int | None)


class InvalidSetting(ValueError):
    """An environment variable cannot be used. The message names it and says what would be right."""


def whole_number(
    environ: Mapping[str, str],
    name: str,
    default: Default,
    *,
    least: int = 0,
    most: int = MAX_NUMBER,
) -> Default:
    """Return the whole number that a variable holds.

    Args:
        environ: the environment.
        name: of the variable.
        default: where it is not set, or blank; it need not lie within the bounds.
        least: the smallest number that can be used.
        most: the largest.

    Raises:
        InvalidSetting: it is no number in ASCII digits alone, or out of bounds.
    """
    raw = environ.get(name, "").strip()
    if not raw:
        return default
    written = raw.isascii() and raw.isdecimal() and len(raw) <= _MAX_DIGITS
    if not written or not least <= int(raw) <= most:
        bounds = f"of at least {least}" if most == MAX_NUMBER else f"from {least} to {most}"
        shown = raw[:_MAX_QUOTED_CHARACTERS]
        raise InvalidSetting(f"{name}={shown!r}: write a whole number {bounds}, or unset it")
    return int(raw)
