"""What bounds a request, one frozen class per concern, the unit in each name."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Caps on time and bytes. They hold for each attempt, not for the call with its retries."""

    connect_seconds: float = 10.0
    """Name look-up, all addresses tried, and the TLS handshake after it."""
    read_seconds: float = 20.0
    """Longest silence between two pieces of an answer."""
    total_seconds: float = 120.0
    """From the request to the last byte of its body; ends a body that drips."""
    stream_total_seconds: float = 3600.0
    """The same for `stream`, where the reader's own work between two pieces counts too."""
    max_body_bytes: int = 64 * MIB
    """Body as sent, before decompression. CoinPaprika's 2000 tickers are 2 MB."""
    max_decoded_bytes: int = 128 * MIB
    """Body after decompression; it is held in memory."""
    max_stream_body_bytes: int | None = None
    """Like `max_body_bytes` for `stream`, which holds one piece at a time. None: no cap."""
    max_stream_decoded_bytes: int | None = None
    """Like `max_decoded_bytes` for `stream`. None: no cap."""
    max_expansion: int = 200
    """Decoded bytes per byte sent, judged after the first 4 MiB. JSON and CSV stay below 50;
    gzip can reach 1032, and only a bomb does."""
    max_header_bytes: int = 32 * 1024
    """Names and values of all headers of an answer."""
    max_header_count: int = 128
    """Headers of an answer."""
    max_connections: int = 16
    """Connections open at once, over all hosts."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often one request is tried, and how long to wait in between."""

    max_attempts: int = 5
    """Attempts including the first."""
    max_delay_seconds: float = 60.0
    """Longest wait before an attempt. An upstream that asks for more ends the call."""
    first_delay_seconds: float = 1.0
    """Upper bound of the first wait; it doubles with each attempt. The wait is drawn evenly
    between 0 and the bound (full jitter)."""
