"""Checks of the URLs in a manifest, which must hold nothing that may be a secret."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

MAX_PORT = 65_535

_KEY_NAME = re.compile(
    r"(^|[-_.])(api[-_]?key|key|token|secret|password|passwd|pwd|auth|authorization|signature|sig"
    r"|credential|access[-_]?key)$|api[-_]?key|apikey",
    re.IGNORECASE,
)


def looks_like_key(name: str) -> bool:
    """Return whether a query parameter or a field of this name would carry a credential."""
    return _KEY_NAME.search(name) is not None


def check_url(url: str) -> str:
    """Return `url` unchanged if it is allowed in a manifest.

    Args:
        url: an absolute URL.

    Raises:
        ValueError: it is not http(s), has no host, or would carry a credential.
    """
    # Strict, because a manifest is readable by many, and its URLs appear in logs and statuses.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL with a host")
    if port == 0:
        raise ValueError(f"the port must be between 1 and {MAX_PORT}")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password")
    if "#" in url:
        raise ValueError("must not hold a fragment (#…)")
    _refuse_keys(parts.query)
    return url


def check_base_url(url: str) -> str:
    """Return a vendor's base URL without its trailing slash.

    Raises:
        ValueError: see `check_url`, or it has a query.
    """
    if urlsplit(check_url(url)).query or url.endswith("?"):
        raise ValueError("must not hold a query (?…): paths and parameters are appended to it")
    return url.rstrip("/")


def _refuse_keys(query: str) -> None:
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if looks_like_key(name):
            raise ValueError(
                f"must not hold a key: the parameter {name[:40]!r} looks like a credential"
            )
