"""Who is connected to one port, and who goes when it is full: pure.

A guest *waits* while its peer owes the next word: before its first request, amid one, between two. It *works*
while something is asked of us. Invariants: there are never more guests than the limit, nor more of one peer than
its limit; whoever works is never sent away for another; whoever waits never keeps another out, for of those
who wait the one that has waited longest goes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Generic, TypeVar

Guest = TypeVar("Guest", bound=Hashable)
PEER_BITS: Final = 64
"""Of an IPv6 address: whoever has one address has the other 2**64 of its network too (RFC 4291, 2.5.4)."""


class FullError(Exception):
    """There is no room, and nobody who waits."""


class Crowd(Generic[Guest]):
    """The guests of one port."""

    def __init__(self, limit: int, of_one_peer: int) -> None:
        self._limit = limit
        self._of_one_peer = of_one_peer
        self._peers: dict[Guest, str] = {}
        self._count: Counter[str] = Counter()
        self._since: OrderedDict[Guest, float] = OrderedDict()
        self._since_by_peer: dict[str, OrderedDict[Guest, None]] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Guest]:
        return iter(tuple(self._peers))

    def waiting(self) -> list[tuple[Guest, float]]:
        """Who waits, and since when, the longest first."""
        return list(self._since.items())

    def in_the_way_of(self, peer: str) -> Guest | None:
        """Who has to leave before one more of the peer can enter. Raises FullError."""
        if self._count[peer] >= self._of_one_peer:
            return _first(self._since_by_peer.get(peer, OrderedDict()))
        if len(self._peers) >= self._limit:
            return _first(self._since)
        return None

    def enter(self, guest: Guest, peer: str, now: float) -> None:
        """One more, who waits. There must be room: :meth:`in_the_way_of` said None."""
        self._peers[guest] = peer
        self._count[peer] += 1
        self.wait(guest, now)

    def wait(self, guest: Guest, now: float) -> None:
        """The next word is the peer's, from now on."""
        if guest in self._peers:
            self.work(guest)
            self._since[guest] = now
            self._since_by_peer.setdefault(self._peers[guest], OrderedDict())[guest] = None

    def work(self, guest: Guest) -> None:
        """The next word is ours."""
        if self._since.pop(guest, None) is not None:
            waiting = self._since_by_peer[self._peers[guest]]
            del waiting[guest]
            if not waiting:
                del self._since_by_peer[self._peers[guest]]

    def leave(self, guest: Guest) -> None:
        """Gone. Idempotent."""
        if guest not in self._peers:
            return
        self.work(guest)
        peer = self._peers.pop(guest)
        self._count[peer] -= 1
        if not self._count[peer]:
            del self._count[peer]


def _first(waiting: OrderedDict[Guest, float] | OrderedDict[Guest, None]) -> Guest:
    for guest in waiting:
        return guest
    raise FullError


def peer_of(address: str) -> str:
    """Whom an address stands for: itself, or its network in IPv6."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if isinstance(found, IPv4Address):
        return str(found)
    return f"{IPv6Address(int(found) >> PEER_BITS << PEER_BITS)}/{PEER_BITS}"
