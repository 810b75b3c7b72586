"""Waits that end: bounded far above what they take, and failing with what was waited for."""

from __future__ import annotations

import inspect
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

WAIT_SECONDS = 60
"""Far beyond what anything takes, on a busy machine too. A test that asserts no duration needs none
of its own."""
PAUSE_SECONDS = 0.05


class OutOfTime(AssertionError):
    """It did not come in time."""


@dataclass
class Deadline:
    """When a wait ends at the latest.

    As a context manager it turns a `TimeoutError`, as sockets raise, into `OutOfTime`.
    """

    what: str
    """What is waited for, as the message names it."""
    seconds: float = WAIT_SECONDS
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            OutOfTime: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self._over()
        return left

    def _over(self) -> OutOfTime:
        return OutOfTime(f"not within {self.seconds:g} s: {self.what}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, TimeoutError):
            raise self._over() from error


def eventually(found: Callable[[], T], *, seconds: float = WAIT_SECONDS, what: str = "") -> T:
    """Look again and again, and return the first result that is true.

    Args:
        found: looks once.
        seconds: after which the wait has failed.
        what: for the message; the source text of `found` where it is left out.

    Raises:
        OutOfTime: no result was true in that time.
    """
    __tracebackhide__ = True
    deadline = Deadline(what or _source(found), seconds)
    while not (result := found()):
        try:
            deadline.left()
        except OutOfTime as late:
            raise OutOfTime(f"{late}; the last look gave {result!r}") from None
        time.sleep(PAUSE_SECONDS)
    return result


def _source(found: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(found).split())
    except (OSError, TypeError):  # of no file, or no function
        return repr(found)


def read_until(
    link: socket.socket,
    enough: Callable[[bytes], bool] = lambda _: False,
    *,
    what: str = "the end of the connection",
    seconds: float = WAIT_SECONDS,
) -> bytes:
    """Read from a connection until there is enough, or to its end; a reset is one too.

    Args:
        link: the connection; its timeout is changed.
        enough: judges what was read so far; nothing is enough where it is left out.
        what: is waited for, as the message names it.
        seconds: after which the wait has failed.

    Raises:
        OutOfTime: neither came in that time.
    """
    received = bytearray()
    with Deadline(what, seconds) as deadline:
        while not enough(received):
            link.settimeout(deadline.left())
            try:
                more = link.recv(1 << 16)
            except ConnectionError:
                break
            if not more:
                break
            received += more
    return bytes(received)
