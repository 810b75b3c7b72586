# ruff: noqa: INP001, T201, S310 - a program for `python -c`; the chart gives it its address
"""Ask the address given as argument until it answers 200: `helm test` runs this."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request

ATTEMPTS = 30
EVERY_SECONDS = 2.0


def ask(address: str) -> str:
    """Return what is wrong; empty: nothing."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            print(answer.read().decode(), flush=True)
    except urllib.error.HTTPError as error:
        return f"{error.code}: {error.read().decode(errors='replace')[:500]}"
    except OSError as error:
        return str(error)
    return ""


def main(address: str) -> int:
    """Return the exit code."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(EVERY_SECONDS)
        reason = ask(address)
        if not reason:
            return 0
        print(f"{address}: {reason}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
