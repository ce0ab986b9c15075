"""The address policy: which addresses a connection may go to; those of this network only if allowed.

Whoever may configure a receiver could otherwise have this service call what only this service reaches: the
cloud's metadata address, a neighbour without a password. The judgement that counts is that of the address
that is connected to, at the moment of connecting (:class:`Policy`), whatever the host looked like and however
often its name changes its mind. What can be seen of a setting is refused earlier, by the same rules, in the
form in which the client would use it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from schemas.addresses import Address, is_forbidden, is_public

AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As ``getaddrinfo`` gives it: family, type, protocol, canonical name, socket address."""


class NotAllowedError(OSError):
    """The address must not be called. The text does not tell which one it is."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which addresses may be connected to."""

    allow_private: bool

    def check(self, address: Address) -> None:
        """Raises NotAllowedError."""
        if is_forbidden(address):
            raise NotAllowedError("it leads to an address that no receiver has: it is never called")
        if not (self.allow_private or is_public(address)):
            raise NotAllowedError("it leads to an address of this network: see allow_private")

    def socket_for(self, found: AddrInfo) -> socket.socket:
        """A socket for an address, judged just before it is connected. Raises NotAllowedError or OSError."""
        family, kind, protocol, _, address = found
        self.check(ip_address(str(address[0]).partition("%")[0]))
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)  # noqa: FBT003 - as it is called
        return made

    async def connected(self, host: str, port: int) -> socket.socket:
        """Connected to the first address of the host that answers. Raises OSError."""
        loop = asyncio.get_running_loop()
        last: OSError = OSError(f"no address is known for {host}")
        for found in await _looked_up(host, port):
            try:
                made = self.socket_for(found)
            except OSError as error:
                last = error
                continue
            try:
                await loop.sock_connect(made, found[4])
            except OSError as error:
                made.close()
                last = error
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise last


async def _looked_up(host: str, port: int) -> Sequence[AddrInfo]:
    loop = asyncio.get_running_loop()
    try:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # an empty label, or one of more than 63 characters
        raise OSError(f"{host} cannot be looked up") from None
