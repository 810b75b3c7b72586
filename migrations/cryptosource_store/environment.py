"""Parsing of environment variables, shared by the settings of all parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

MAX_NUMBER = 10**12
"""Upper bound of settings that have no smaller one."""
_MAX_QUOTED_CHARACTERS = 40
_MAX_DIGITS = 20

Default = TypeVar("Default", int, int | None)


class InvalidSetting(ValueError):
    """An environment variable has an invalid value. The message names both and what is valid."""


def whole_number(
    environ: Mapping[str, str],
    name: str,
    default: Default,
    *,
    least: int = 0,
    most: int = MAX_NUMBER,
) -> Default:
    """Return the value of a variable that holds a whole number.

    Args:
        environ: the environment.
        name: of the variable.
        default: returned when it is not set or blank; need not lie within the bounds.
        least: smallest valid number.
        most: largest valid number.

    Raises:
        InvalidSetting: the value has other characters than ASCII digits, or is out of bounds.
    """
    raw = environ.get(name, "").strip()
    if not raw:
        return default
    # int() also accepts signs, underscores and digits of other scripts, and is slow for long text.
    is_number = raw.isascii() and raw.isdecimal() and len(raw) <= _MAX_DIGITS
    if not is_number or not least <= int(raw) <= most:
        bounds = f"of at least {least}" if most == MAX_NUMBER else f"from {least} to {most}"
        excerpt = raw[:_MAX_QUOTED_CHARACTERS]
        raise InvalidSetting(f"{name}={excerpt!r}: write a whole number {bounds}, or unset it")
    return int(raw)
