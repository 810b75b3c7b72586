"""Redirects: within the same origin a few, to anywhere else none."""

from __future__ import annotations

import httpx

from cryptosource_etl.errors import Permanent
from cryptosource_store.reasons import Reason

MAX_HOPS = 3
"""Redirects followed in one attempt."""

STATUSES = frozenset({301, 302, 303, 307, 308})
"""Statuses that send a GET elsewhere."""

_PORTS = {"http": 80, "https": 443}


def follow(url: httpx.URL, location: str, *, hops: int) -> httpx.URL:
    """Return where an answer sends us, if we go there.

    Args:
        url: what was asked for.
        location: the header's value.
        hops: redirects followed before this one.

    Raises:
        Permanent: another origin, too many hops, or no usable address.
    """
    if not location:
        raise _refused(url, "redirects without saying where to")
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise _refused(url, "redirects to something that is no URL") from None
    if origin(target) != origin(url):
        there = f"{target.scheme}://{target.netloc.decode('ascii')}"[:100]
        raise _refused(url, f"redirects to {there}; another origin is never followed")
    if target.userinfo:
        raise _refused(url, "redirects to a URL with a user or a password")
    if hops >= MAX_HOPS:
        raise _refused(url, f"redirects more than {MAX_HOPS} times")
    return target


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def _refused(url: httpx.URL, what: str) -> Permanent:
    return Permanent(
        Reason.UPSTREAM_REFUSED,
        f"{url.host} {what}. If that is right, write the final URL into the spec.",
    )
