"""The connections of one port, and which one is closed when the port is full. Pure.

A guest *waits* while its peer owes the next word: before its first request, amid one, between two. It *works*
while something is asked of us. Invariants: there are never more guests than the limit, nor more of one peer than
its limit; whoever works is never sent away for another; whoever waits never keeps another out. Of those who
wait a newcomer, of whom nothing has been heard yet, goes before whoever was served, so that a crowd which
comes and says nothing displaces its own; of each kind the one that has waited longest goes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from operator import itemgetter
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
        self._served: set[Guest] = set()
        self._waiting: _Waiting[Guest] = _Waiting()
        self._waiting_of: dict[str, _Waiting[Guest]] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Guest]:
        return iter(tuple(self._peers))

    def waiting(self) -> list[tuple[Guest, float]]:
        """Who waits, and since when, the longest first."""
        return self._waiting.longest_first()

    def in_the_way_of(self, peer: str) -> Guest | None:
        """Who has to leave before one more of the peer can enter. Raises FullError."""
        if self._count[peer] >= self._of_one_peer:
            return self._waiting_of.get(peer, _Waiting[Guest]()).first_to_go()
        if len(self._peers) >= self._limit:
            return self._waiting.first_to_go()
        return None

    def enter(self, guest: Guest, peer: str, now: float) -> None:
        """One more, who waits. There must be room: :meth:`in_the_way_of` said None."""
        self._peers[guest] = peer
        self._count[peer] += 1
        self.wait(guest, now)

    def wait(self, guest: Guest, now: float) -> None:
        """The next word is the peer's, from now on."""
        if guest not in self._peers:
            return
        self._stop_waiting(guest)
        of_peer = self._waiting_of.setdefault(self._peers[guest], _Waiting[Guest]())
        for waiting in (self._waiting, of_peer):
            waiting.add(guest, now, was_served=guest in self._served)

    def work(self, guest: Guest) -> None:
        """The next word is ours."""
        if guest in self._peers:
            self._served.add(guest)
            self._stop_waiting(guest)

    def _stop_waiting(self, guest: Guest) -> None:
        if self._waiting.drop(guest):
            of_peer = self._waiting_of[self._peers[guest]]
            of_peer.drop(guest)
            if not of_peer:
                del self._waiting_of[self._peers[guest]]

    def leave(self, guest: Guest) -> None:
        """Gone. Idempotent."""
        if guest not in self._peers:
            return
        self._stop_waiting(guest)
        self._served.discard(guest)
        peer = self._peers.pop(guest)
        self._count[peer] -= 1
        if not self._count[peer]:
            del self._count[peer]


class _Waiting(Generic[Guest]):
    """Guests who wait, and since when: those never heard of, and those served before."""

    def __init__(self) -> None:
        self._newcomers: OrderedDict[Guest, float] = OrderedDict()
        self._served: OrderedDict[Guest, float] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._newcomers or self._served)

    def add(self, guest: Guest, now: float, *, was_served: bool) -> None:
        (self._served if was_served else self._newcomers)[guest] = now

    def drop(self, guest: Guest) -> bool:
        """Whether it waited."""
        found = self._newcomers.pop(guest, None), self._served.pop(guest, None)
        return found != (None, None)

    def first_to_go(self) -> Guest:
        """Raises FullError where nobody waits."""
        for waiting in (self._newcomers, self._served):
            for guest in waiting:
                return guest
        raise FullError

    def longest_first(self) -> list[tuple[Guest, float]]:
        return sorted([*self._newcomers.items(), *self._served.items()], key=itemgetter(1))


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
