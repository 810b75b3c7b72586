"""Limits and retry policy of requests. Each field's name ends in its unit."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Limits on time and bytes of each attempt, not of a call with its retries."""

    connect_seconds: float = 10.0
    """Name resolution, connecting (all addresses tried), and then the TLS handshake."""
    read_seconds: float = 20.0
    """Longest pause between two parts of a response."""
    # Besides the limit on pauses: a body may arrive a byte at a time and never pause for long.
    total_seconds: float = 120.0
    """From the request to the last byte of its body."""
    stream_total_seconds: float = 3600.0
    """The same for `stream`, where the consumer's work between two chunks counts too."""
    # CoinPaprika's 2000 tickers are 2 MB.
    max_body_bytes: int = 64 * MIB
    """Body as sent, before decompression."""
    max_decoded_bytes: int = 128 * MIB
    """Body after decompression; it is held in memory."""
    max_stream_body_bytes: int | None = None
    """Like `max_body_bytes` for `stream`, which holds one piece at a time. None: no limit."""
    max_stream_decoded_bytes: int | None = None
    """Like `max_decoded_bytes` for `stream`. None: no limit."""
    # JSON and CSV stay below 50; gzip can reach 1032, and only a bomb does.
    max_expansion: int = 200
    """Decoded bytes per byte sent, checked after the first 4 MiB."""
    max_header_bytes: int = 32 * 1024
    """Names and values of all headers of a response."""
    max_header_count: int = 128
    """Headers of a response."""
    max_connections: int = 16
    """Connections open at once, over all hosts."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Number of attempts of a call, and the delays between them."""

    max_attempts: int = 5
    """Attempts including the first."""
    max_delay_seconds: float = 60.0
    """Longest delay before an attempt. An upstream that asks for more ends the call."""
    first_delay_seconds: float = 1.0
    """Upper bound of the first delay; it doubles with each attempt. The delay is drawn uniformly
    between 0 and the bound (full jitter)."""
