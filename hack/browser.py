"""A Chromium for the page's tests and pictures: found, or installed where that can be done.

`python -m hack.browser` prints where it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from hack.cluster import packages
from hack.cluster.errors import ClusterError

VARIABLE = "CRYPTOSOURCE_BROWSER"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOR_BROWSER = {"chromium": "chromium"}
"""Debian package -> a program that is there when it is installed."""


class NoBrowser(RuntimeError):
    """There is no Chromium. The message says how to get one."""


def browser() -> Path:
    """Return a Chromium: the one that CRYPTOSOURCE_BROWSER names, one on the PATH, or a new one.

    Raises:
        NoBrowser: there is none, and it cannot be installed here.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        if not os.access(named, os.X_OK):
            raise NoBrowser(
                f"{VARIABLE}={named}: there is no program; name a Chromium, or unset it"
            )
        return Path(named)
    found = _found()
    if found is None:
        try:
            packages.ensure(FOR_BROWSER)
        except ClusterError as error:
            raise NoBrowser(f"{error}; or name a Chromium in {VARIABLE}") from error
        found = _found()
    if found is None:
        raise NoBrowser(f"no Chromium was found; install one, or name it in {VARIABLE}")
    return found


def _found() -> Path | None:
    paths = (shutil.which(program) for program in PROGRAMS)
    return next((Path(path) for path in paths if path), None)


def main() -> int:
    """Print where the browser is; return 1 where there is none."""
    try:
        print(browser())
    except NoBrowser as error:
        print(f"browser: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
