"""A way in or out of an installation: who is asked there, whether it is encrypted, what stands open."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Direction = Literal["in", "out"]
NOBODY_ASKED: Final = "nobody is asked"
SHOWS_NOTHING: Final = "shows nothing"
SHOWS_CERTIFICATE: Final = "our certificate"
PLAIN: Final = "not encrypted"
ENCRYPTED: Final = "TLS"


class OpenDoor(NamedTuple):
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
    open_to: tuple[OpenDoor, ...] = ()

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


def address_of(host: str, port: int) -> str:
    """As it is written in an address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
