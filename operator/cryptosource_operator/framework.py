"""Kopf, imported without the `kubernetes` package.

Where that is installed Kopf imports all of its client, only to recognise objects of its classes,
which nobody makes here: half a second of a start and 30 MiB. Import `kopf` from here and from
nowhere else in this package. A kubeconfig whose user is a program still gets the package, when it
is needed: see `credentials`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

CLIENT = "kubernetes"


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let a package seem not to be installed; one that is there already stays."""
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system asks for
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


with _without(CLIENT):
    import kopf

__all__ = ["kopf"]
