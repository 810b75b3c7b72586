"""The address of a request's client, also behind trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS = 20
FORWARDED = b"x-forwarded-for"
SUBNET_BITS = 64
"""An IPv6 client usually has a whole /64, so the subnet is counted as one client."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return networks written as CIDRs with commas or blanks between them.

    Raises:
        ValueError: one of them is no network.
    """
    return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())


def forwarded_client(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the client's address.

    X-Forwarded-For is read from the right: each trusted proxy appends the address it was called
    from. What a client wrote itself is further left and never reached.

    Args:
        scope: of the request.
        trusted: networks of proxies; without any the connection's own address is returned.
    """
    peer = str((scope.get("client") or ("",))[0])
    if not trusted or not _is_trusted(peer, tuple(trusted)):
        return peer
    named = b",".join(value for name, value in scope["headers"] if name == FORWARDED)
    # At most MAX_HOPS: a client may send a header of any length.
    for hop in reversed(named.decode("latin-1").split(",")[-MAX_HOPS:]):
        address = _address(hop.strip())
        if address is None:  # not an address: nothing further left can be trusted either
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
    """Return the unit that counts as one client: an IPv4 address, or an IPv6 subnet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:  # noqa: PLR2004 - IPv4
        return str(parsed)
    return str(ipaddress.ip_network((parsed, SUBNET_BITS), strict=False).network_address)
