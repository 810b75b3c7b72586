"""Redaction of secrets in logs and spans, as a second line of defence.

Our own code must not log a secret. What libraries log and what servers put into their errors is not
under our control, so the secret values of the environment are masked wherever they occur, and so
are passwords in URLs and API keys by their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

REDACTED = "[redacted]"
# A shorter value may be an ordinary word: masking each of its occurrences would reveal it.
MIN_SECRET_LENGTH = 8
"""Length in characters from which a value is masked."""

_SECRET_SUFFIXES = ("_KEY", "_TOKEN", "_PASSWORD", "_SECRET", "_HEADERS")
_USERINFO = re.compile(r"(?<=://)[^/@\s]{1,300}@")
_API_KEY = re.compile(r"csk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


def secrets_in(environ: Mapping[str, str], *, also: Iterable[str] = ()) -> frozenset[str]:
    """Return the secret values in an environment: keys, tokens, and passwords in URLs.

    Args:
        environ: the process's environment.
        also: secrets from elsewhere, such as keys in files.
    """
    found: set[str] = set(also)
    for name, value in environ.items():
        if name.endswith(("_URL", "_ENDPOINT")) or name == "DATABASE_URL":
            found |= _password_of(value)
        elif name.endswith("_HEADERS"):  # `name=value,name=value`, percent-encoded
            parts = [pair.partition("=")[2].strip() for pair in value.split(",")]
            words = [word for part in parts for word in unquote(part).split()]
            found |= {value, *parts, *words}
        elif name.endswith(_SECRET_SUFFIXES):
            found.add(value.strip())
    return frozenset(secret for secret in found if len(secret) >= MIN_SECRET_LENGTH)


def _password_of(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    # As written in the URL and decoded: libraries log either.
    return {password, unquote(password)} if password else set()


class Redactor:
    """Masks secrets in a text.

    Args:
        secrets: the values to mask.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first, because one secret may be the beginning of another.
        longest_first = sorted(secrets, key=len, reverse=True)
        self._pattern = (
            re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        )

    def __call__(self, text: str) -> str:
        """Return the text with its secrets masked."""
        if self._pattern is not None:
            text = self._pattern.sub(REDACTED, text)
        # Few texts hold either: a search for a substring is cheaper than one for the pattern.
        if "://" in text:
            text = _USERINFO.sub(f"{REDACTED}@", text)
        if "csk_" in text:
            text = _API_KEY.sub(rf"csk_\1_{REDACTED}", text)
        return text
