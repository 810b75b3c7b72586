"""One local file: opened, watched while it is read, and known again by its content."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.records import Cursor
from cryptosource_etl.sources.csv.cursor import (
    DIGEST_BYTES,
    PROBE_BYTES,
    Fetch,
    FileState,
    Place,
    fingerprint,
    place_in_file,
    tail_of,
)
from cryptosource_store.reasons import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LocalFile:
    """A file as it was when it was opened: what is appended meanwhile is for the next run.

    Args:
        path: where it is.
        shown: its path as the manifest gives it, for messages.

    Raises:
        Permanent: FileNotFound or FileUnreadable.
    """

    def __init__(self, path: Path, *, shown: str) -> None:
        self._path = path
        self.shown = shown
        self._fd = _open(path, shown)
        try:
            self._status = _status(self._fd, shown)
            head = self.fetch(0, min(self.size, PROBE_BYTES))
        except BaseException:
            os.close(self._fd)
            raise
        self.state = FileState(self.size, self._status.st_mtime_ns, fingerprint(head))
        self.prefix = PrefixHash(self.fetch)
        """Hashes it from its start on."""
        self._position = 0
        self._probe = (0, fingerprint(b""))

    @property
    def size(self) -> int:
        """Bytes when it was opened."""
        return self._status.st_size

    @property
    def written_at(self) -> datetime:
        """When it was last written, UTC."""
        try:
            return _EPOCH + timedelta(microseconds=self._status.st_mtime_ns // 1000)
        except OverflowError:
            return _EPOCH

    def fetch(self, offset: int, length: int) -> bytes:
        """Return bytes from anywhere, without moving the place that `read` reads at."""
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            raise Retryable(
                Reason.FILE_READ_FAILED, f"{self.shown} cannot be read: {error.strerror}"
            ) from error

    def read(self, length: int) -> bytes:
        """Return the next bytes, none at the end."""
        data = self.fetch(self._position, min(length, self.size - self._position))
        self._position += len(data)
        return data

    def go_to(self, offset: int) -> None:
        """Let `read` go on at an offset."""
        self._position = offset

    def resume(self, cursor: Cursor) -> Place | None:
        """Return where a cursor says to go on, or None if it was made for another file."""
        return place_in_file(
            cursor, state=self.state, fetch=self.fetch, prefix=self.prefix.fingerprint
        )

    def check_unchanged(self, *, upto: int) -> None:
        """Make sure that what was read is what is there.

        Growing is fine as long as the part that was read stays what it was.

        Args:
            upto: how far it was read.

        Raises:
            Retryable: FileChanged; it was replaced, cut or rewritten meanwhile.
        """
        try:
            now = self._path.stat()
        except OSError as error:
            raise self._changed("is gone") from error
        before = self._status
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            raise self._changed("was replaced")
        if now.st_size < before.st_size:
            raise self._changed("was cut")
        if now.st_mtime_ns != before.st_mtime_ns and (
            now.st_size == before.st_size or not self._still_the_same()
        ):
            raise self._changed("was rewritten")
        self._probe = (upto, tail_of(self.fetch, upto))

    def _still_the_same(self) -> bool:
        head = fingerprint(self.fetch(0, min(self.size, PROBE_BYTES)))
        offset, tail = self._probe
        return head == self.state.head and tail_of(self.fetch, offset) == tail

    def _changed(self, how: str) -> Retryable:
        return Retryable(
            Reason.FILE_CHANGED,
            f"{self.shown} {how} while it was read: the next run reads it anew. Write to another "
            "name and rename, so that readers never see half a file",
        )

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _status(fd: int, shown: str) -> os.stat_result:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Permanent(Reason.FILE_UNREADABLE, f"{shown} is not a regular file")
    return status


def _open(path: Path, shown: str) -> int:
    try:
        # Non-blocking, or opening a named pipe would wait for a writer for ever.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Permanent(Reason.FILE_NOT_FOUND, f"there is no file {shown}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Permanent(Reason.FILE_UNREADABLE, f"{shown} cannot be opened: {why}") from error


CHUNK_BYTES = 1024 * 1024


class PrefixHash:
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
