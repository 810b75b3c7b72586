"""Redirects: a few within the same origin are followed, none to another one."""

from __future__ import annotations

import httpx

from cryptosource_etl.errors import Permanent
from cryptosource_store.reasons import Reason

MAX_HOPS = 3
"""Redirects followed in one attempt."""

STATUSES = frozenset({301, 302, 303, 307, 308})
"""Statuses that redirect a GET."""

_PORTS = {"http": 80, "https": 443}


def follow(url: httpx.URL, location: str, *, hops: int) -> httpx.URL:
    """Return the URL that a redirect leads to, if it may be followed.

    Args:
        url: the requested URL.
        location: the header's value.
        hops: number of redirects followed before this one.

    Raises:
        Permanent: another origin, too many hops, or no usable URL.
    """
    if not location:
        raise _refusal(url, "redirects without saying where to")
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise _refusal(url, "redirects to something that is no URL") from None
    # Another origin would receive the API key, which is sent with every hop.
    if origin(target) != origin(url):
        there = f"{target.scheme}://{target.netloc.decode('ascii')}"[:100]
        raise _refusal(url, f"redirects to {there}; another origin is never followed")
    if target.userinfo:
        raise _refusal(url, "redirects to a URL with a user or a password")
    if hops >= MAX_HOPS:
        raise _refusal(url, f"redirects more than {MAX_HOPS} times")
    return target


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def _refusal(url: httpx.URL, what: str) -> Permanent:
    return Permanent(
        Reason.UPSTREAM_REFUSED,
        f"{url.host} {what}. If that is right, write the final URL into the spec.",
    )
