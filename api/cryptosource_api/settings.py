"""What the API can be told, parsed once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "CRYPTOSOURCE_API_"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class InvalidSetting(ValueError):
    """An environment variable cannot be used. The message names it and says what would be right."""


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """One API process."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container. CRYPTOSOURCE_API_HOST."""
    port: int = 8000
    """0 lets the system choose. CRYPTOSOURCE_API_PORT."""
    pool_size: int = 20
    """Database connections, and thus statements at a time. CRYPTOSOURCE_API_POOL_SIZE."""
    pool_wait_seconds: float = 2.0
    """A request that gets no connection within that ends as 503. …_POOL_WAIT_SECONDS."""
    statement_timeout_seconds: int = 5
    """One statement may run that long. …_STATEMENT_TIMEOUT_SECONDS."""
    connect_timeout_seconds: int = 2
    """Opening a connection may take that long; libpq's least is 2. …_CONNECT_TIMEOUT_SECONDS."""
    cache_bytes: int = 32 * 1024 * 1024
    """Memory for answers that are kept until the data changes; 0 keeps none. …_CACHE_BYTES."""
    version_check_seconds: float = 0.5
    """How long a known version of the data is believed. A committed change is seen within that,
    plus one look-up; it must stay under the second that readers are promised."""
    body_bytes: int = 64 * 1024
    """Largest request body. …_BODY_BYTES."""
    query_bytes: int = 8 * 1024
    """Longest query string, and longest path. …_QUERY_BYTES."""
    concurrency: int = 1000
    """Connections at a time; above it uvicorn answers 503 at once. …_CONCURRENCY."""
    keep_alive_seconds: int = 15
    """An idle connection is closed after that. …_KEEP_ALIVE_SECONDS."""
    shutdown_seconds: int = 10
    """Requests under way may take that long when the server stops. …_SHUTDOWN_SECONDS."""
    log_level: str = "INFO"
    """LOG_LEVEL; one line per request is logged at INFO."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ApiSettings:
        """Read CRYPTOSOURCE_API_* and LOG_LEVEL.

        Raises:
            InvalidSetting: a variable cannot be used.
        """
        whole = {
            name: _whole(environ, name.upper(), low, high, int(getattr(cls, name)))
            for name, (low, high) in _LIMITS.items()
        }
        wait = _whole(environ, "POOL_WAIT_SECONDS", 1, 60, int(cls.pool_wait_seconds))
        host = environ.get(f"{PREFIX}HOST", "").strip() or cls.host
        return cls(
            host=host, pool_wait_seconds=wait, log_level=_level(environ, cls.log_level), **whole
        )


_LIMITS = {
    "port": (0, 65_535),
    "pool_size": (1, 500),
    "statement_timeout_seconds": (1, 300),
    "connect_timeout_seconds": (2, 60),
    "cache_bytes": (0, 4 * 1024**3),
    "body_bytes": (0, 1024**3),
    "query_bytes": (256, 60 * 1024),
    "concurrency": (2, 100_000),
    "keep_alive_seconds": (1, 3600),
    "shutdown_seconds": (1, 3600),
}


def _whole(environ: Mapping[str, str], name: str, low: int, high: int, default: int) -> int:
    raw = environ.get(PREFIX + name, "").strip()
    if not raw:
        return default
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= len(str(high))):
        number = -1
    else:
        number = int(raw)
    if not low <= number <= high:
        raise InvalidSetting(
            f"{PREFIX}{name}={raw[:40]!r}: write a whole number from {low} to {high}, or unset it"
        )
    return number


def _level(environ: Mapping[str, str], default: str) -> str:
    level = environ.get("LOG_LEVEL", "").strip().upper() or default
    if level not in LOG_LEVELS:
        raise InvalidSetting(f"LOG_LEVEL={level[:40]!r}: write one of {', '.join(LOG_LEVELS)}")
    return level
