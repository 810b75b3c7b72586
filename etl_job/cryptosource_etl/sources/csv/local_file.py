"""One local file: opened once, checked for changes while it is read, identified by its content."""

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
    """A file at the size it had when it was opened; later appends are left for the next run.

    Args:
        path: the file.
        label: its path as the manifest gives it, for messages.

    Raises:
        Permanent: FileNotFound or FileUnreadable.
    """

    def __init__(self, path: Path, *, label: str) -> None:
        self._path = path
        self.label = label
        # One descriptor for the whole run: a path may name another file from one read to the next.
        self._fd = _open(path, label)
        try:
            self._stat = _stat_regular_file(self._fd, label)
            head = self.fetch(0, min(self.size, PROBE_BYTES))
        except BaseException:
            os.close(self._fd)
            raise
        self.state = FileState(self.size, self._stat.st_mtime_ns, fingerprint(head))
        self.prefix = PrefixHash(self.fetch)
        """Hashes the file from its start on."""
        self._position = 0
        self._probe = (0, fingerprint(b""))

    @property
    def size(self) -> int:
        """Size in bytes when the file was opened."""
        return self._stat.st_size

    @property
    def written_at(self) -> datetime:
        """Time of the last modification, UTC."""
        try:
            return _EPOCH + timedelta(microseconds=self._stat.st_mtime_ns // 1000)
        except OverflowError:
            return _EPOCH

    def fetch(self, offset: int, length: int) -> bytes:
        """Return bytes from any offset, without moving the position of `read`."""
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            raise Retryable(
                Reason.FILE_READ_FAILED, f"{self.label} cannot be read: {error.strerror}"
            ) from error

    def read(self, length: int) -> bytes:
        """Return the next bytes; none at the end."""
        data = self.fetch(self._position, min(length, self.size - self._position))
        self._position += len(data)
        return data

    def seek(self, offset: int) -> None:
        """Set the offset at which `read` continues."""
        self._position = offset

    def resume(self, cursor: Cursor) -> Place | None:
        """Return the place of a cursor, or None if the cursor belongs to another file."""
        return place_in_file(
            cursor, state=self.state, fetch=self.fetch, prefix=self.prefix.fingerprint
        )

    def check_unchanged(self, *, upto: int) -> None:
        """Check that the part of the file that was read has not changed since.

        A file may grow as long as the part that was read stays the same.

        Args:
            upto: offset up to which it was read.

        Raises:
            Retryable: FileChanged; it was replaced, truncated or rewritten meanwhile.
        """
        try:
            now = self._path.stat()
        except OSError as error:
            raise self._file_changed("is gone") from error
        before = self._stat
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            raise self._file_changed("was replaced")
        if now.st_size < before.st_size:
            raise self._file_changed("was cut")
        # A new time of modification at the same size is a rewrite. At a larger size it may be an
        # append, so the content decides.
        if now.st_mtime_ns != before.st_mtime_ns and (
            now.st_size == before.st_size or not self._has_same_content()
        ):
            raise self._file_changed("was rewritten")
        self._probe = (upto, tail_of(self.fetch, upto))

    def _has_same_content(self) -> bool:
        head = fingerprint(self.fetch(0, min(self.size, PROBE_BYTES)))
        offset, tail = self._probe
        return head == self.state.head and tail_of(self.fetch, offset) == tail

    def _file_changed(self, how: str) -> Retryable:
        return Retryable(
            Reason.FILE_CHANGED,
            f"{self.label} {how} while it was read: the next run reads it anew. Write to another "
            "name and rename, so that readers never see half a file",
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _stat_regular_file(fd: int, label: str) -> os.stat_result:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Permanent(Reason.FILE_UNREADABLE, f"{label} is not a regular file")
    return status


def _open(path: Path, label: str) -> int:
    try:
        # Non-blocking, because opening a named pipe would otherwise wait for a writer for ever.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Permanent(Reason.FILE_NOT_FOUND, f"there is no file {label}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Permanent(Reason.FILE_UNREADABLE, f"{label} cannot be opened: {why}") from error


CHUNK_BYTES = 1024 * 1024


class PrefixHash:
    """Hashes the bytes of a file before an offset.

    Args:
        fetch: reads from the file.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._reset()

    def _reset(self) -> None:
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._offset = 0

    def upto(self, offset: int) -> hashlib.blake2b:
        """Return a copy of the hash of the bytes before an offset; the caller may update it."""
        # Rising offsets, the usual order, read each byte once; only a lower one starts again.
        if offset < self._offset:
            self._reset()
        while self._offset < offset:
            data = self._fetch(self._offset, min(CHUNK_BYTES, offset - self._offset))
            if not data:
                break
            self._hash.update(data)
            self._offset += len(data)
        return self._hash.copy()

    def fingerprint(self, offset: int) -> str:
        """Return the hash of the bytes before an offset in hexadecimal."""
        return self.upto(offset).hexdigest()
