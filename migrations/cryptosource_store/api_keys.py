"""API keys: their format, the hash that is stored, and the scopes.

A key is `csk_ID_SECRET`. The id is public and identifies the row. The store keeps the SHA-256 of
the whole key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

_FORM = re.compile(r"csk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What a key permits. ADMIN includes the other scopes; these include no other."""

    READ = "read"
    """Read data, statistics, health and metrics."""
    TRIGGER = "trigger"
    """Request runs and read the state of these requests."""
    ADMIN = "admin"
    """Read about the installation itself; includes all scopes above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MintedKey:
    """A new key. The store never holds the key itself, so this is the only copy."""

    key_id: str
    key: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """The hash that is stored."""
        return digest_of(self.key)


def mint() -> MintedKey:
    """Return a new random key."""
    key_id = secrets.token_hex(6)
    return MintedKey(key_id=key_id, key=f"csk_{key_id}_{secrets.token_urlsafe(32)}")


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key, 32 bytes."""
    # The secret has 256 random bits, which cannot be guessed: a slow hash would add no protection,
    # and computing one for each request would let callers exhaust the service.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def key_id_of(key: str) -> str | None:
    """Return the public id in a key; None when the text does not have the format of a key."""
    match = _FORM.fullmatch(key)
    return match[1] if match else None
