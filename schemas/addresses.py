"""What an IP address is for: pure.

Sources: the IANA special-purpose registries (through ``ipaddress``), RFC 6052 and 8215 (NAT64), RFC 4291,
section 2.5.5.1 (IPv4-compatible). An address that a translator on the way would turn into another one is
judged as that other one.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")
_LOWEST_32_BITS: Final = 0xFFFF_FFFF


def literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ip_address(host.rstrip("."))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to what listens there."""
    address = literal(host)
    return host.rstrip(".").lower() == "localhost" or (address is not None and address.is_loopback)


def is_forbidden(address: Address) -> bool:
    """Whether no receiver can have it, in a private network either.

    Link-local is where clouds keep their metadata and credentials; the others name no one machine.
    """
    found = (isinstance(address, IPv6Address) and _carried(address)) or address
    return any(
        each.is_link_local or each.is_multicast or each.is_unspecified for each in (address, found)
    )


def is_public(address: Address) -> bool:
    """Whether the whole internet could reach it, and nobody nearer in its name."""
    if isinstance(address, IPv6Address):
        if address.is_site_local or address in _NAT64_LOCAL:
            return False
        address = _carried(address) or address
    return address.is_global and not address.is_multicast


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The address to which a translator on the way would pass it on."""
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return IPv4Address(int(address) & _LOWEST_32_BITS)
    return address.ipv4_mapped or address.sixtofour
