"""Where a name of a receiver may lead: not into this network, unless that is allowed.

Whoever may configure a receiver could otherwise have this service call what only this service
reaches: the cloud's metadata address, a neighbour without a password. The address that was looked
at is the one that is connected to, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import asyncio
import random
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address


class NotAllowedError(OSError):
    """The name leads to an address that must not be called."""


class UnknownHostError(OSError):
    """The name cannot be asked for at all, so nobody has it."""


async def address_of(host: str, port: int, *, allow_private: bool) -> str:
    """One of the host's addresses. Raises OSError (unknown host) or NotAllowedError."""
    addresses = await _looked_up(host, port)
    if not allow_private and not all(is_public(ip_address(each)) for each in addresses):
        raise NotAllowedError(f"{host} is an address of this network: see allow_private")
    return random.choice(sorted(addresses))  # noqa: S311 - the next attempt may find another


async def _looked_up(host: str, port: int) -> set[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # an empty label, or one of more than 63 characters
        raise UnknownHostError(f"{host} cannot be looked up") from None
    return {str(entry[4][0]) for entry in found}


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the whole internet could reach it."""
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast
