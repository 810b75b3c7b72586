"""What the API can be told, parsed once from the environment."""

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
    """One API process."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container. CRYPTOSOURCE_API_HOST."""
    port: int = 8000
    """0 lets the system choose. CRYPTOSOURCE_API_PORT."""
    pool_size: int = 20
    """Database connections, and thus statements at a time: half of them for single prepared
    statements, half for everything else. CRYPTOSOURCE_API_POOL_SIZE."""
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
    concurrency: int = 400
    """Requests at a time; above it 503 at once. Probes and live streams are not counted.
    …_CONCURRENCY."""
    connections: int = 4000
    """Connections at a time; above it 503 at once. …_CONNECTIONS."""
    head_seconds: int = 10
    """A request's head must have arrived within that. …_HEAD_SECONDS."""
    body_seconds: int = 10
    """So must its body. …_BODY_SECONDS."""
    write_seconds: int = 30
    """A client that takes nothing of its answer for that long is cut off. …_WRITE_SECONDS."""
    rate_per_address: int = 6000
    """Requests a minute of one address without a key; 0 sets no limit. …_RATE_PER_ADDRESS."""
    rate_per_key: int = 6000
    """Requests a minute with one key; 0 sets no limit. …_RATE_PER_KEY."""
    redis_url: str | None = field(default=None, repr=False)
    """Where replicas share the rates; without it each process counts. CRYPTOSOURCE_REDIS_URL."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For is believed, as CIDRs. …_TRUSTED_PROXIES."""
    keep_alive_seconds: int = 15
    """An idle connection is closed after that. …_KEEP_ALIVE_SECONDS."""
    shutdown_seconds: int = 10
    """Requests under way may take that long when the server stops. …_SHUTDOWN_SECONDS."""
    export_rows: int = 1_000_000
    """Rows of one export at most; a longer list is refused. …_EXPORT_ROWS."""
    export_concurrency: int = 4
    """Exports at a time, each with a connection of its own; above it 503. …_EXPORT_CONCURRENCY."""
    export_seconds: int = 600
    """One export may take that long. …_EXPORT_SECONDS."""
    export_statement_seconds: int = 60
    """Until its first row, and from one batch to the next. …_EXPORT_STATEMENT_SECONDS."""
    export_stall_seconds: int = 30
    """A client that takes nothing for that long is dropped. …_EXPORT_STALL_SECONDS."""
    stream_clients: int = 500
    """Clients of /data/stream and /ws at a time; above it 503. …_STREAM_CLIENTS."""
    stream_backlog_bytes: int = 16 * 1024 * 1024
    """Memory for what happened lately, shared by all clients; one that falls behind it is dropped.
    …_STREAM_BACKLOG_BYTES."""
    stream_heartbeat_seconds: int = 15
    """How often a client hears something when nothing happens. …_STREAM_HEARTBEAT_SECONDS."""
    stream_stall_seconds: int = 10
    """A client that takes nothing for that long is dropped. …_STREAM_STALL_SECONDS."""
    log_level: str = "INFO"
    """LOG_LEVEL; one line per request is logged at INFO."""
    auth: str = "off"
    """`keys`: whoever asks needs a key of `cryptosource keys`. CRYPTOSOURCE_API_AUTH."""
    docs: bool = True
    """Serve /docs, /redoc and /openapi.json; `off` answers 404 there. …_DOCS."""
    scheduler_token_digest: bytes | None = field(default=None, repr=False)
    """SHA-256 of SCHEDULER_TOKEN, which may trigger runs. Once it is set, nobody may without it
    or a key."""

    @property
    def loop_connections(self) -> int:
        """Those of `pool_size` that the event loop itself waits for; none where there is only one."""
        return self.pool_size // 2

    @property
    def thread_connections(self) -> int:
        """Those of `pool_size` that threads wait for."""
        return self.pool_size - self.loop_connections

    @property
    def needs_keys(self) -> bool:
        """Whether reading needs a key."""
        return self.auth == "keys"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ApiSettings:
        """Read CRYPTOSOURCE_API_*, SCHEDULER_TOKEN and LOG_LEVEL.

        Raises:
            InvalidSetting: a variable cannot be used.
        """
        whole = {
            name: whole_number(
                environ, f"{PREFIX}{name.upper()}", int(getattr(cls, name)), least=low, most=high
            )
            for name, (low, high) in _LIMITS.items()
        }
        host = environ.get(f"{PREFIX}HOST", "").strip() or cls.host
        return cls(
            host=host,
            log_level=_level(environ, cls.log_level),
            auth=_word(environ, "AUTH", AUTH_MODES, cls.auth),
            docs=_word(environ, "DOCS", SWITCH, "on") == "on",
            scheduler_token_digest=_token_digest(environ),
            redis_url=_redis_url(environ),
            trusted_proxies=_proxies(environ),
            **whole,
        )


_LIMITS = {
    "port": (0, 65_535),
    "pool_size": (1, 500),
    "pool_wait_seconds": (1, 60),
    "statement_timeout_seconds": (1, 300),
    "connect_timeout_seconds": (2, 60),
    "cache_bytes": (0, 4 * 1024**3),
    "body_bytes": (0, 1024**3),
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


def _level(environ: Mapping[str, str], default: str) -> str:
    level = environ.get("LOG_LEVEL", "").strip().upper() or default
    if level not in LOG_LEVELS:
        raise InvalidSetting(f"LOG_LEVEL={level[:40]!r}: write one of {', '.join(LOG_LEVELS)}")
    return level


def _word(environ: Mapping[str, str], name: str, words: tuple[str, ...], default: str) -> str:
    word = environ.get(PREFIX + name, "").strip().lower() or default
    if word not in words:
        raise InvalidSetting(f"{PREFIX}{name}={word[:40]!r}: write one of {', '.join(words)}")
    return word


def _token_digest(environ: Mapping[str, str]) -> bytes | None:
    token = environ.get("SCHEDULER_TOKEN", "").strip()
    if not token:
        return None
    if len(token) < MIN_TOKEN_LENGTH:
        raise InvalidSetting(
            f"SCHEDULER_TOKEN: write at least {MIN_TOKEN_LENGTH} characters that nobody can guess, "
            "such as `openssl rand -hex 32` prints"
        )
    return hashlib.sha256(token.encode()).digest()


def _redis_url(environ: Mapping[str, str]) -> str | None:
    url = environ.get("CRYPTOSOURCE_REDIS_URL", "").strip()
    if url and not _REDIS.fullmatch(url):
        raise InvalidSetting("CRYPTOSOURCE_REDIS_URL: write redis://HOST:6379/0, or unset it")
    return url or None


def _proxies(environ: Mapping[str, str]) -> tuple[Network, ...]:
    text = environ.get(f"{PREFIX}TRUSTED_PROXIES", "")
    try:
        return parse_networks(text)
    except ValueError as error:
        raise InvalidSetting(
            f"{PREFIX}TRUSTED_PROXIES: {str(error)[:80]}; write networks such as 10.0.0.0/8"
        ) from error
