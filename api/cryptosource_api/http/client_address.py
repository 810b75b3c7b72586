"""From which address a request came, also behind proxies that are trusted to say so."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS = 20
FORWARDED = b"x-forwarded-for"
SUBNET_BITS = 64
"""Whoever has one IPv6 address has all of that subnet, so it is counted as one client."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return networks written as CIDRs with commas or blanks between them.

    Raises:
        ValueError: one of them is no network.
    """
    return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())


def forwarded_client(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the client's address.

    From the connection backwards, each hop that is trusted vouches for the one before it; what a
    client writes into X-Forwarded-For itself stands further left and is never reached.

    Args:
        scope: of the request.
        trusted: proxies; with none the connection's own address counts.
    """
    peer = str((scope.get("client") or ("",))[0])
    if not trusted or not _is_trusted(peer, tuple(trusted)):
        return peer
    named = b",".join(value for name, value in scope["headers"] if name == FORWARDED)
    for hop in reversed(named.decode("latin-1").split(",")[-MAX_HOPS:]):
        address = _address(hop.strip())
        if address is None:
            return peer
        peer = address
        if not _is_trusted(peer, tuple(trusted)):
            return peer
    return peer


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


@lru_cache(maxsize=4096)
def subnet_of(address: str) -> str:
    """Return what is counted as one client: an IPv4 address, or an IPv6 subnet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:  # noqa: PLR2004 - IPv4
        return str(parsed)
    return str(ipaddress.ip_network((parsed, SUBNET_BITS), strict=False).network_address)
