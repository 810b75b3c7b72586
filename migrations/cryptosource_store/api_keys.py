"""Keys of the API: how one is made, what of it is stored, what a scope allows.

A key is `csk_ID_SECRET`. The id is public and finds the row; the secret has 256 random bits, so a
plain SHA-256 of the whole key is enough to store: there is nothing to guess that a slow hash would
protect, and a slow hash on each request would be a way to exhaust the service.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

_FORM = re.compile(r"csk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What a key may do. None includes another but for admin, which includes all."""

    READ = "read"
    """Everything that is published: data, statistics, health, metrics."""
    TRIGGER = "trigger"
    """Ask for runs, and learn what became of them."""
    ADMIN = "admin"
    """Whatever concerns the installation itself, and all of the above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MintedKey:
    """A fresh key. The only place where the whole of it exists."""

    key_id: str
    key: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is stored of it."""
        return digest_of(self.key)


def mint() -> MintedKey:
    """Return a key that never was."""
    key_id = secrets.token_hex(6)
    return MintedKey(key_id=key_id, key=f"csk_{key_id}_{secrets.token_urlsafe(32)}")


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def key_id_of(key: str) -> str | None:
    """Return the public part of what may be a key; None when it has not the form of one."""
    match = _FORM.fullmatch(key)
    return match[1] if match else None
