"""A way in or out of an installation: who is asked there, whether it is encrypted, what stands open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from adapters.common.settings import Port, is_loopback

Direction = Literal["in", "out"]
NOBODY_ASKED: Final = "nobody is asked"
SHOWS_NOTHING: Final = "shows nothing"
PLAIN: Final = "not encrypted"
ENCRYPTED: Final = "TLS"


class Open(NamedTuple):
    """Why a door stands open and what to do; the key of its table that closes it."""

    key: str
    text: str


class Door(NamedTuple):
    """``place`` is where it is configured; ``open_to`` what is wrong with it, nothing where it is protected."""

    place: tuple[str | int, ...]
    what: str
    direction: Direction
    address: str
    asks: str
    encrypted: str
    open_to: tuple[Open, ...] = ()

    @property
    def key(self) -> str:
        """Where it is configured."""
        return ".".join(map(str, self.place))

    def below(self, *place: str) -> Door:
        """The same, its place below another."""
        return self._replace(place=(*place, *self.place))

    def __str__(self) -> str:
        way = "at" if self.direction == "in" else "to"
        return f"{self.key}: {self.what}, {way} {self.address}; {self.asks}; {self.encrypted}"


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
        open_to.append(Open("tls", text))
    if not (tokens or by_certificate or is_near):
        text = (
            "whoever reaches the port can say where patients are: give client_ca_file in its tls, and let a "
            "firewall admit the sender only"
        )
        open_to.append(Open("host", text))
    counted = f"{len(tokens)} token{'s' * (len(tokens) > 1)}" if tokens else ""
    asks = [each for each in (counted, "a certificate of client_ca_file" * by_certificate) if each]
    return Door(
        (), what, "in", address_of(port.host, port.port), " and ".join(asks) or NOBODY_ASKED,
        ENCRYPTED if tls else PLAIN, tuple(open_to),
    )  # fmt: skip


def address_of(host: str, port: int) -> str:
    """As it is written in an address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
