"""What makes a request conditional. It lives in the checkpoint, because a Job has no disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_USABLE = re.compile(r"[\x20-\x7e]{1,1024}")


@dataclass(frozen=True, kw_only=True)
class Validators:
    """The upstream's marks of one version of a resource (RFC 9110, section 8.8)."""

    etag: str | None = None
    """As received, quotes and `W/` included."""
    last_modified: str | None = None
    """As received; only ever echoed, so it is not parsed."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Validators | None:
        """Return the validators of an answer, or None when it has none that can be sent back."""
        return cls._of(headers.get("etag"), headers.get("last-modified"))

    @classmethod
    def from_json(cls, value: Any) -> Validators | None:
        """Return what `as_json` made; None for anything else, since a checkpoint may be older."""
        if not isinstance(value, Mapping):
            return None
        return cls._of(value.get("etag"), value.get("last_modified"))

    def as_json(self) -> dict[str, str]:
        """Return the form that goes into a cursor."""
        pairs = {"etag": self.etag, "last_modified": self.last_modified}
        return {name: value for name, value in pairs.items() if value is not None}

    def as_headers(self) -> dict[str, str]:
        """Return the headers that ask for an answer only if something changed."""
        pairs = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def _of(cls, etag: Any, last_modified: Any) -> Validators | None:
        found = cls(etag=_usable(etag), last_modified=_usable(last_modified))
        return found if found.etag or found.last_modified else None


def _usable(value: Any) -> str | None:
    return value if isinstance(value, str) and _USABLE.fullmatch(value) else None
