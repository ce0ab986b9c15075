"""What an address is for, and where a URL leads, in the form in which the client uses it: pure.

Sources: the IANA special-purpose registries (through ``ipaddress``), RFC 6052 and 8215 (NAT64), RFC 4291,
section 2.5.5.1 (IPv4-compatible). An address that a translator on the way would turn into another one is
judged as that other one.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import yarl

Address = IPv4Address | IPv6Address

_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
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


def check_host(key: str, host: str, *, allow_private: bool = True) -> None:
    """Raises ValueError where it can be seen that the host cannot or must not be called."""
    try:
        normal = yarl.URL.build(scheme="http", host=host).host or ""
        normal.encode("idna")
    except ValueError:
        raise ValueError(f"{key} has a host that cannot be called") from None
    address = literal(normal)
    if address is None and _NUMBER.fullmatch(normal.rstrip(".").rpartition(".")[2]):
        raise ValueError(f"{key} is no address: write an IPv4 address with its four numbers")
    if address is not None and is_forbidden(address):
        raise ValueError(f"{key} is link-local, multicast or unspecified: never called")
    is_here = is_loopback(normal) or (address is not None and not is_public(address))
    if is_here and not allow_private:
        raise ValueError(f"{key} is of this network: needs allow_private = true")


def url_of(key: str, url: str, *, allow_plain: bool = False) -> yarl.URL:
    """A URL as the client will use it. Raises ValueError for what it would change or leave out in silence.

    Without ``allow_plain`` it begins with https, unless it leads to this machine.
    """
    if " " in url or not url.isprintable():
        raise ValueError(f"{key} has a blank, a line break or a sign that cannot be printed")
    if "#" in url:
        raise ValueError(f"{key} has a fragment, which is never sent")
    try:
        found = yarl.URL(url)
        port = found.port
    except ValueError:
        raise ValueError(f"{key} has a host or a port that cannot be called") from None
    if found.scheme not in {"http", "https"} or not found.host or not port:
        raise ValueError(f"{key} is an address that begins with https:// and a host")
    if found.raw_user is not None or found.raw_password is not None or "@" in found.authority:
        # It would be read back in clear, and contend with a header.
        raise ValueError(f"{key}: no user or password in it; send them in a header")
    if found.scheme == "http" and not (allow_plain or is_loopback(found.host)):
        raise ValueError(f"{key}: http lets everybody on the way read it; use https")
    return found
