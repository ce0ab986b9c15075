"""Who is connected to a port, and who goes when it is full, against a plain model of it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from adapters.common.crowd import Crowd, FullError, peer_of

LIMIT, OF_ONE_PEER = 6, 3


class Guests(RuleBasedStateMachine):
    """Guests of three peers come, wait, work and go, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.crowd: Crowd[int] = Crowd(LIMIT, OF_ONE_PEER)
        self.peers: dict[int, str] = {}
        self.waiting: list[int] = []
        self.served: set[int] = set()
        self.now = 0.0
        self.number = 0

    @rule(peer=st.sampled_from("abc"))
    def come(self, peer: str) -> None:
        of_peer = [guest for guest in self.waiting if self.peers[guest] == peer]
        is_full_of_peer = Counter(self.peers.values())[peer] >= OF_ONE_PEER
        choice = of_peer if is_full_of_peer else self.waiting if len(self.peers) >= LIMIT else None
        if choice == []:
            with pytest.raises(FullError):
                self.crowd.in_the_way_of(peer)
            return
        other = self.crowd.in_the_way_of(peer)
        newcomers = [guest for guest in choice or () if guest not in self.served]
        assert other == ((newcomers or choice)[0] if choice else None)
        if other is not None:
            self.crowd.leave(other)
            self._forget(other)
        self.number += 1
        self.now += 1
        self.crowd.enter(self.number, peer, self.now)
        self.peers[self.number] = peer
        self.waiting.append(self.number)

    @rule(data=st.data())
    def works(self, data: st.DataObject) -> None:
        guest = self._some(data)
        self.crowd.work(guest)
        if guest in self.peers:
            self.served.add(guest)
        if guest in self.waiting:
            self.waiting.remove(guest)

    @rule(data=st.data())
    def waits(self, data: st.DataObject) -> None:
        guest = self._some(data)
        self.now += 1
        self.crowd.wait(guest, self.now)
        if guest in self.peers:
            if guest in self.waiting:
                self.waiting.remove(guest)
            self.waiting.append(guest)

    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        guest = self._some(data)
        self.crowd.leave(guest)
        self._forget(guest)

    @invariant()
    def is_as_the_model(self) -> None:
        assert sorted(self.crowd) == sorted(self.peers)
        assert [guest for guest, _ in self.crowd.waiting()] == self.waiting
        assert len(self.crowd) <= LIMIT
        assert all(count <= OF_ONE_PEER for count in Counter(self.peers.values()).values())

    def _some(self, data: st.DataObject) -> int:
        """Also one that has gone, or that never came."""
        return data.draw(st.integers(0, self.number + 1))

    def _forget(self, guest: int) -> None:
        self.peers.pop(guest, None)
        self.served.discard(guest)
        if guest in self.waiting:
            self.waiting.remove(guest)


def test_a_crowd_is_as_its_model() -> None:
    run_state_machine_as_test(Guests)


def test_whoever_was_served_stays_beside_a_crowd_that_comes_and_says_nothing() -> None:
    crowd: Crowd[int] = Crowd(4, 4)
    crowd.enter(0, "sender", 0.0)
    crowd.work(0)
    crowd.wait(0, 1.0)
    for number in range(1, 1000):
        if (other := crowd.in_the_way_of("crowd")) is not None:
            crowd.leave(other)
        crowd.enter(number, "crowd", float(number))
    assert 0 in set(crowd)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::1", "::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"), ("fe80::1%eth0", "fe80::/64"), ("", ""),
        ("no address", "no address"),
    ],
)  # fmt: skip
def test_one_peer_is_an_address_or_a_network_of_ipv6(address: str, peer: str) -> None:
    assert peer_of(address) == peer


@given(st.ip_addresses())
def test_a_peer_is_always_told(address: object) -> None:
    assert peer_of(str(address))
