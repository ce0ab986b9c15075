"""The port of a feed as a door of the installation."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.common.settings import Port, is_loopback
from schemas.door import (
    ENCRYPTED,
    NOBODY_ASKED,
    PLAIN,
    SHOWS_NOTHING,
    Door,
    OpenDoor,
    address_of,
)

__all__ = [
    "ENCRYPTED", "NOBODY_ASKED", "PLAIN", "SHOWS_NOTHING", "Door", "OpenDoor", "address_of", "listening",
]  # fmt: skip


def listening(port: Port, what: str, tokens: Sequence[object] = ()) -> Door:
    """The port of a feed; ``tokens``: who may send."""
    is_near, tls = is_loopback(port.host), port.tls
    by_certificate = tls is not None and tls.client_ca_file is not None
    open_to = []
    if tls is None and not is_near:
        read = "tokens and messages" if tokens else "messages"
        text = (
            f"without it {read} can be read and changed on the way: give it, or listen on 127.0.0.1 behind "
            "what encrypts"
        )
        open_to.append(OpenDoor("tls", text))
    if not (tokens or by_certificate or is_near):
        text = (
            "whoever reaches the port can say where patients are: give client_ca_file in its tls, and let a "
            "firewall admit the sender only"
        )
        open_to.append(OpenDoor("host", text))
    counted = f"{len(tokens)} token{'s' * (len(tokens) > 1)}" if tokens else ""
    asks = [each for each in (counted, "a certificate of client_ca_file" * by_certificate) if each]
    return Door(
        (), what, "in", address_of(port.host, port.port), " and ".join(asks) or NOBODY_ASKED,
        ENCRYPTED if tls else PLAIN, tuple(open_to),
    )  # fmt: skip
