"""Where a name of a receiver may lead: not into this network, unless that is allowed.

Whoever may configure a receiver could otherwise have this service call what only this service
reaches: the cloud's metadata address, a neighbour without a password. The address that was looked
at is the one that is connected to, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import asyncio
import random
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291, section 2.5.5.1
_LOWEST_32_BITS: Final = 0xFFFF_FFFF


class NotAllowedError(OSError):
    """The name leads to an address that must not be called."""


class UnknownHostError(OSError):
    """The name cannot be asked for at all, so nobody has it."""


async def address_of(host: str, port: int, *, allow_private: bool) -> str:
    """One of the host's addresses. Raises OSError (unknown host) or NotAllowedError."""
    addresses = await _looked_up(host, port)
    for each in addresses:
        _check(host, ip_address(each), allow_private=allow_private)
    return random.choice(sorted(addresses))  # noqa: S311 - the next attempt may find another


def check_literal(host: str, *, allow_private: bool) -> None:
    """For clients that look up names only: raises NotAllowedError if the host is such an address."""
    try:
        address = ip_address(host)
    except ValueError:
        return
    _check(host, address, allow_private=allow_private)


async def _looked_up(host: str, port: int) -> set[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # an empty label, or one of more than 63 characters
        raise UnknownHostError(f"{host} cannot be looked up") from None
    return {str(entry[4][0]) for entry in found}


def _check(host: str, address: IPv4Address | IPv6Address, *, allow_private: bool) -> None:
    if is_nobodys(address):
        raise NotAllowedError(f"{host} is no address of a receiver: it is never called")
    if not (allow_private or is_public(address)):
        raise NotAllowedError(f"{host} is an address of this network: see allow_private")


def is_nobodys(address: IPv4Address | IPv6Address) -> bool:
    """Whether no receiver can have it, in a private network either.

    Link-local is where clouds keep their metadata and credentials; the others name no one machine.
    """
    found = (isinstance(address, IPv6Address) and _carried(address)) or address
    return any(
        each.is_link_local or each.is_multicast or each.is_unspecified for each in (address, found)
    )


def is_public(address: IPv4Address | IPv6Address) -> bool:
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
