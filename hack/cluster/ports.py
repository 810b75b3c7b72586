"""Free ports on loopback."""

from __future__ import annotations

import contextlib
import socket


def free(count: int) -> list[int]:
    """Return ports that nobody listens on now, all different.

    Somebody else may take one before it is used: whoever starts a server on it tries again then.
    """
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
