"""Keeping secrets out of what leaves a process: a last guard behind code that does not show them.

Whoever logs or traces must not write a secret down. What a library writes, or a server puts into
an error, nobody reviews; so the values that this process was given are blotted out wherever they
turn up, together with passwords in URLs and keys of the API by their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

BLOT = "[redacted]"
SHORTEST = 8
"""Characters: what is shorter is a word that turns up anywhere, and blotting it would tell it."""

_NAMES = ("_KEY", "_TOKEN", "_PASSWORD", "_SECRET", "_HEADERS")
_USERINFO = re.compile(r"(?<=://)[^/@\s]{1,300}@")
_API_KEY = re.compile(r"csk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


def secrets_in(environ: Mapping[str, str], *, also: Iterable[str] = ()) -> frozenset[str]:
    """Return the secret values that an environment holds: keys, tokens, passwords of URLs.

    Args:
        environ: the process's environment.
        also: secrets that the process was given in another way, such as keys in files.
    """
    found: set[str] = set(also)
    for name, value in environ.items():
        if name.endswith(("_URL", "_ENDPOINT")) or name == "DATABASE_URL":
            found |= _password_of(value)
        elif name.endswith("_HEADERS"):  # `name=value,name=value`, percent-encoded
            parts = [pair.partition("=")[2].strip() for pair in value.split(",")]
            words = [word for part in parts for word in unquote(part).split()]
            found |= {value, *parts, *words}
        elif name.endswith(_NAMES):
            found.add(value.strip())
    return frozenset(secret for secret in found if len(secret) >= SHORTEST)


def _password_of(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


class Redactor:
    """Blots secrets out of a text.

    Args:
        secrets: what to blot out, whole.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        longest_first = sorted(secrets, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known is not None:
            text = self._known.sub(BLOT, text)
        if "://" in text:
            text = _USERINFO.sub(f"{BLOT}@", text)
        if "csk_" in text:
            text = _API_KEY.sub(rf"csk_\1_{BLOT}", text)
        return text
