"""The egress policy: sources may reach public addresses, and ranges that are allowed explicitly.

The check applies to the address that is connected to, after resolution: `127.1`, `0x7f000001` and a
name with an A record of 10.0.0.1 are treated as the addresses they stand for.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

ALLOW_SETTING = "CRYPTOSOURCE_EGRESS_ALLOW"
"""The environment variable whose value `parse_cidrs` reads."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        # IANA's special-purpose registries, listed here because `is_global` of some Python
        # releases counts some of them as global.
        "0.0.0.0/8",  # "this network": reaches the host itself on Linux
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; also cluster networks and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent, a public address with metadata behind it
        "169.254.0.0/16",  # link-local: metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64: a gateway turns it into any IPv4 address
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def parse_cidrs(text: str) -> tuple[Network, ...]:
    """Return the ranges of a setting: CIDRs or single addresses, separated by commas or blanks.

    Raises:
        ValueError: one is not a range; the message names it and shows a valid one.
    """
    return tuple(_parse_cidr(part) for part in text.replace(",", " ").split())


def _parse_cidr(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is not a range of addresses: write CIDRs such as 10.20.0.0/16 or "
            "127.0.0.0/8, with commas between them"
        ) from None
    if network.network_address != ipaddress.ip_address(text.partition("/")[0]):
        raise ValueError(f"{text!r} has bits set beyond its mask: write {network}")
    return network


@dataclass(frozen=True)
class EgressPolicy:
    """Decides whether a source may connect to an address."""

    allow: tuple[Network, ...] = ()
    """Ranges that may be reached although they are not public."""

    def permits(self, address: str) -> bool:
        """Return whether `address`, as returned by a resolver, may be connected to."""
        try:
            # getaddrinfo appends the scope to a link-local address: fe80::1%eth0.
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if any(parsed in network for network in self.allow):
            return True
        return parsed.is_global and not any(parsed in network for network in _DENIED)
