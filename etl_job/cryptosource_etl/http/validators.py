"""Validators of a conditional request. They are kept in the checkpoint, because a Job has no disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Validators are echoed in request headers: a line break in one would inject another header.
_SENDABLE = re.compile(r"[\x20-\x7e]{1,1024}")


@dataclass(frozen=True, kw_only=True)
class Validators:
    """The validators of one version of a resource (RFC 9110, section 8.8)."""

    etag: str | None = None
    """As received, quotes and `W/` included."""
    last_modified: str | None = None
    """As received; it is only echoed, so it is not parsed."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Validators | None:
        """Return the validators of a response, or None if it has none that can be sent back."""
        return cls._from_values(headers.get("etag"), headers.get("last-modified"))

    @classmethod
    def from_json(cls, value: Any) -> Validators | None:
        """Return the validators that `as_json` wrote; None for anything else."""
        if not isinstance(value, Mapping):
            return None
        return cls._from_values(value.get("etag"), value.get("last_modified"))

    def as_json(self) -> dict[str, str]:
        """Return the JSON form for a cursor."""
        pairs = {"etag": self.etag, "last_modified": self.last_modified}
        return {name: value for name, value in pairs.items() if value is not None}

    def as_headers(self) -> dict[str, str]:
        """Return the request headers that ask for a body only if the resource changed."""
        pairs = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def _from_values(cls, etag: Any, last_modified: Any) -> Validators | None:
        validators = cls(etag=_sendable(etag), last_modified=_sendable(last_modified))
        return validators if validators.etag or validators.last_modified else None


def _sendable(value: Any) -> str | None:
    return value if isinstance(value, str) and _SENDABLE.fullmatch(value) else None
