"""The settings of the API, parsed once from the environment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptosource_api.http.client_address import Network, parse_networks
from cryptosource_store.environment import InvalidSetting, whole_number

PREFIX = "CRYPTOSOURCE_API_"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
AUTH_MODES = ("off", "keys")
SWITCH = ("on", "off")
MIN_TOKEN_LENGTH = 16


_REDIS = re.compile(r"(rediss?|unix)://.+")


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """Settings of one API process."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container. CRYPTOSOURCE_API_HOST."""
    port: int = 8000
    """0 lets the system choose. CRYPTOSOURCE_API_PORT."""
    pool_size: int = 20
    """Database connections, and thus concurrent statements: half of them for single prepared
    statements, half for everything else. CRYPTOSOURCE_API_POOL_SIZE."""
    pool_wait_seconds: float = 2.0
    """Longest wait for a connection; after that a request ends as 503. …_POOL_WAIT_SECONDS."""
    statement_timeout_seconds: int = 5
    """Time limit of a statement. …_STATEMENT_TIMEOUT_SECONDS."""
    connect_timeout_seconds: int = 2
    """Time limit for opening a connection; libpq's minimum is 2. …_CONNECT_TIMEOUT_SECONDS."""
    cache_bytes: int = 32 * 1024 * 1024
    """Memory for answers that are cached until the data changes; 0 caches none. …_CACHE_BYTES."""
    version_check_seconds: float = 0.5
    """How long a version of the data is used before it is read again. A committed change is visible
    after that plus one query, which must stay under the second that the documentation promises."""
    body_bytes: int = 64 * 1024
    """Largest request body. …_BODY_BYTES."""
    query_bytes: int = 8 * 1024
    """Longest query string, and longest path. …_QUERY_BYTES."""
    concurrency: int = 400
    """Concurrent requests; above it 503 at once. Probes and live streams are not counted.
    …_CONCURRENCY."""
    connections: int = 4000
    """Open connections; above it 503 at once. …_CONNECTIONS."""
    head_seconds: int = 10
    """Time limit for the arrival of a request's head. …_HEAD_SECONDS."""
    body_seconds: int = 10
    """Time limit for the arrival of a request's body. …_BODY_SECONDS."""
    write_seconds: int = 30
    """A client that reads nothing of its answer for that long is disconnected. …_WRITE_SECONDS."""
    rate_per_address: int = 6000
    """Requests a minute from one address without a key; 0 sets no limit. …_RATE_PER_ADDRESS."""
    rate_per_key: int = 6000
    """Requests a minute with one key; 0 sets no limit. …_RATE_PER_KEY."""
    redis_url: str | None = field(default=None, repr=False)
    """Redis in which replicas count rates together; without it each process counts alone.
    CRYPTOSOURCE_REDIS_URL."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of proxies whose X-Forwarded-For is trusted, as CIDRs. …_TRUSTED_PROXIES."""
    keep_alive_seconds: int = 15
    """An idle connection is closed after that. …_KEEP_ALIVE_SECONDS."""
    shutdown_seconds: int = 10
    """Time limit of running requests when the server stops. …_SHUTDOWN_SECONDS."""
    export_rows: int = 1_000_000
    """Most rows of an export; a longer list is refused. …_EXPORT_ROWS."""
    export_concurrency: int = 4
    """Concurrent exports, each with a connection of its own; above it 503. …_EXPORT_CONCURRENCY."""
    export_seconds: int = 600
    """Time limit of an export. …_EXPORT_SECONDS."""
    export_statement_seconds: int = 60
    """Time limit of an export's first row, and of each next batch. …_EXPORT_STATEMENT_SECONDS."""
    export_stall_seconds: int = 30
    """A client that reads nothing for that long is disconnected. …_EXPORT_STALL_SECONDS."""
    stream_clients: int = 500
    """Concurrent clients of /data/stream and /ws; above it 503. …_STREAM_CLIENTS."""
    stream_backlog_bytes: int = 16 * 1024 * 1024
    """Memory for recent changes, shared by all clients; a client that falls behind it is
    disconnected. …_STREAM_BACKLOG_BYTES."""
    stream_heartbeat_seconds: int = 15
    """Interval of heartbeats to clients while nothing changes. …_STREAM_HEARTBEAT_SECONDS."""
    stream_stall_seconds: int = 10
    """A client that reads nothing for that long is disconnected. …_STREAM_STALL_SECONDS."""
    log_level: str = "INFO"
    """LOG_LEVEL; one line per request is logged at INFO."""
    auth: str = "off"
    """`keys`: requests need a key made by `cryptosource keys`. CRYPTOSOURCE_API_AUTH."""
    docs: bool = True
    """Serve /docs, /redoc and /openapi.json; `off` answers 404 there. …_DOCS."""
    # Only a digest: the settings, wherever they are shown, must not reveal the token.
    scheduler_token_digest: bytes | None = field(default=None, repr=False)
    """SHA-256 of SCHEDULER_TOKEN, which may trigger runs. If it is set, triggering needs it or a
    key."""

    @property
    def loop_connections(self) -> int:
        """Connections of `pool_size` that the event loop uses; 0 if `pool_size` is 1."""
        return self.pool_size // 2

    @property
    def thread_connections(self) -> int:
        """Connections of `pool_size` that threads use."""
        return self.pool_size - self.loop_connections

    @property
    def needs_keys(self) -> bool:
        """Whether reading needs a key."""
        return self.auth == "keys"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ApiSettings:
        """Read CRYPTOSOURCE_API_*, SCHEDULER_TOKEN and LOG_LEVEL.

        Raises:
            InvalidSetting: a variable has an invalid value.
        """
        integers = {
            name: whole_number(
                environ, f"{PREFIX}{name.upper()}", int(getattr(cls, name)), least=low, most=high
            )
            for name, (low, high) in _LIMITS.items()
        }
        host = environ.get(f"{PREFIX}HOST", "").strip() or cls.host
        return cls(
            host=host,
            log_level=_parse_level(environ, cls.log_level),
            auth=_parse_word(environ, "AUTH", AUTH_MODES, cls.auth),
            docs=_parse_word(environ, "DOCS", SWITCH, "on") == "on",
            scheduler_token_digest=_read_token_digest(environ),
            redis_url=_read_redis_url(environ),
            trusted_proxies=_read_proxies(environ),
            **integers,
        )


_LIMITS = {
    "port": (0, 65_535),
    "pool_size": (1, 500),
    "pool_wait_seconds": (1, 60),
    "statement_timeout_seconds": (1, 300),
    # The minimum of libpq.
    "connect_timeout_seconds": (2, 60),
    "cache_bytes": (0, 4 * 1024**3),
    "body_bytes": (0, 1024**3),
    # Below the 64 KiB that a whole head may have: a longer query would be refused with 431.
    "query_bytes": (256, 60 * 1024),
    "concurrency": (2, 100_000),
    "connections": (2, 100_000),
    "head_seconds": (1, 3600),
    "body_seconds": (1, 3600),
    "write_seconds": (1, 3600),
    "rate_per_address": (0, 10_000_000),
    "rate_per_key": (0, 10_000_000),
    "keep_alive_seconds": (1, 3600),
    "shutdown_seconds": (1, 3600),
    "stream_clients": (0, 100_000),
    "stream_backlog_bytes": (1, 4 * 1024**3),
    "stream_heartbeat_seconds": (1, 3600),
    "stream_stall_seconds": (1, 3600),
    "export_rows": (1, 10_000_000),
    "export_concurrency": (1, 100),
    "export_seconds": (1, 86_400),
    "export_statement_seconds": (1, 3600),
    "export_stall_seconds": (1, 3600),
}


def _parse_level(environ: Mapping[str, str], default: str) -> str:
    level = environ.get("LOG_LEVEL", "").strip().upper() or default
    if level not in LOG_LEVELS:
        raise InvalidSetting(f"LOG_LEVEL={level[:40]!r}: write one of {', '.join(LOG_LEVELS)}")
    return level


def _parse_word(environ: Mapping[str, str], name: str, words: tuple[str, ...], default: str) -> str:
    word = environ.get(PREFIX + name, "").strip().lower() or default
    if word not in words:
        raise InvalidSetting(f"{PREFIX}{name}={word[:40]!r}: write one of {', '.join(words)}")
    return word


def _read_token_digest(environ: Mapping[str, str]) -> bytes | None:
    token = environ.get("SCHEDULER_TOKEN", "").strip()
    if not token:
        return None
    # The token is not part of the message, unlike the values of other variables.
    if len(token) < MIN_TOKEN_LENGTH:
        raise InvalidSetting(
            f"SCHEDULER_TOKEN: write at least {MIN_TOKEN_LENGTH} random characters, "
            "such as `openssl rand -hex 32` prints"
        )
    return hashlib.sha256(token.encode()).digest()


def _read_redis_url(environ: Mapping[str, str]) -> str | None:
    url = environ.get("CRYPTOSOURCE_REDIS_URL", "").strip()
    # The URL is not part of the message: it may contain a password.
    if url and not _REDIS.fullmatch(url):
        raise InvalidSetting("CRYPTOSOURCE_REDIS_URL: write redis://HOST:6379/0, or unset it")
    return url or None


def _read_proxies(environ: Mapping[str, str]) -> tuple[Network, ...]:
    text = environ.get(f"{PREFIX}TRUSTED_PROXIES", "")
    try:
        return parse_networks(text)
    except ValueError as error:
        raise InvalidSetting(
            f"{PREFIX}TRUSTED_PROXIES: {str(error)[:80]}; write networks such as 10.0.0.0/8"
        ) from error
