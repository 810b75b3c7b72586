"""The hash of a file's beginning, which goes on as the file is read."""

from __future__ import annotations

import hashlib

from cryptosource_etl.sources.csv.cursor import DIGEST_BYTES, Fetch

CHUNK_BYTES = 1024 * 1024


class Prefix:
    """Hashes the bytes before an offset.

    Args:
        fetch: reads from the file.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._begin()

    def _begin(self) -> None:
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._offset = 0

    def upto(self, offset: int) -> hashlib.blake2b:
        """Return the hash of the bytes before an offset, which may be updated with what follows.

        Offsets that grow cost what lies between them.
        """
        if offset < self._offset:
            self._begin()
        while self._offset < offset:
            data = self._fetch(self._offset, min(CHUNK_BYTES, offset - self._offset))
            if not data:
                break
            self._hash.update(data)
            self._offset += len(data)
        return self._hash.copy()

    def fingerprint(self, offset: int) -> str:
        """Return the hash of the bytes before an offset as text."""
        return self.upto(offset).hexdigest()
