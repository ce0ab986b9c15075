"""What a member hands on when partitions leave it and come back, by a consumer that a test plays."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import Mock

import pytest
from kafka.structs import TopicPartition as Place

from bus.kafka.member import Assignment, Member
from bus.port import TopicPartition
from schemas.topics import RAW

AT = {number: TopicPartition(RAW, number) for number in (0, 1)}


class Consumer:
    """Holds what the test assigns; each poll plays the next event, and nothing once all are over."""

    def __init__(self, *events: Callable[["Consumer"], None]) -> None:
        self.events = list(events)
        self.offsets = dict.fromkeys(AT.values(), 0)  # committed by whoever
        self.held: set[TopicPartition] = set()
        self.paused: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.polled_paused: set[TopicPartition] = set()
        self.listener: Assignment
        self._net = Mock(sleep=asyncio.sleep)

    def subscribe(self, _: list[str], listener: Assignment) -> None:
        self.listener = listener

    def partitions_for_topic(self, _: str) -> set[int]:
        return set(AT)

    def poll(self, **_: Any) -> dict[Place, list[Any]]:
        self.polled_paused = self.paused.copy()
        if self.events:
            self.events.pop(0)(self)
        return {}

    def assign(self, *numbers: int) -> None:
        asyncio.run(self.listener.on_partitions_revoked(self.held))
        self.held = {AT[number] for number in numbers}
        asyncio.run(self.listener.on_partitions_assigned(self.held))

    def assignment(self) -> set[TopicPartition]:
        return self.held

    def committed(self, place: TopicPartition, timeout_ms: float) -> int:
        assert timeout_ms > 0
        return self.offsets[place]

    def pause(self, *places: TopicPartition) -> None:
        assert not self.paused
        self.paused = set(places)

    def resume(self, *places: TopicPartition) -> None:
        assert self.paused.issuperset(places), "only what we paused"
        self.paused.difference_update(places)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset

    def position(self, place: TopicPartition, timeout_ms: float) -> int:
        assert timeout_ms > 0
        return self.positions[place]


class Lookup:
    """Both sides name partitions alike; nothing is there beyond what was read."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def place(self, at: TopicPartition) -> TopicPartition:
        return at

    def ours(self, place: TopicPartition) -> TopicPartition:
        return place

    def forget_identities(self) -> None:
        """They are never asked for."""

    def starts(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    def written(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self._consumer.positions[at] for at in places}


def both(consumer: Consumer) -> None:
    consumer.assign(0, 1)


def only_the_first(consumer: Consumer) -> None:
    consumer.assign(0)


def the_second_moved_on_by_another(consumer: Consumer) -> None:
    consumer.offsets[AT[1]] += 1


def nothing(_: Consumer) -> None:
    pass


@pytest.mark.parametrize(
    ("events", "kept_without_a_break"),
    [
        ([], {0, 1}),
        ([both], {0, 1}),
        ([only_the_first], {0}),
        ([only_the_first, both], {0, 1}),
        ([only_the_first, the_second_moved_on_by_another, both], {0}),
        ([only_the_first, nothing, the_second_moved_on_by_another, nothing, both], {0}),
    ],
    ids=[
        "nothing happens", "assigned anew", "one leaves", "one leaves and comes back",
        "one leaves, is moved on, comes back", "the same with time between",
    ],
)  # fmt: skip
def test_state_is_kept_only_for_partitions_that_nobody_else_has_moved(
    events: list[Callable[[Consumer], None]], kept_without_a_break: set[int]
) -> None:
    consumer = Consumer(both)
    member = Member(consumer, [RAW], Lookup(consumer))  # type: ignore[arg-type]
    assert member.read(10, 0.0).assigned == {0, 1}
    consumer.events = events
    kept = set(AT)
    while True:  # as a runner does, which drops the state of what a batch does not name
        batch = member.read(10, 0.01)
        kept &= batch.assigned
        if not consumer.events and not consumer.listener.changed:
            break
    kept &= member.read(10, 0.0).assigned
    assert kept == kept_without_a_break


@pytest.mark.parametrize(
    ("event", "kept"),
    [(nothing, True), (only_the_first, False), (both, False)],
    ids=["nothing happens", "one leaves", "assigned anew"],
)
def test_what_was_read_is_kept_until_the_assignment_changes(
    event: Callable[[Consumer], None], *, kept: bool
) -> None:
    consumer = Consumer(both)
    member = Member(consumer, [RAW], Lookup(consumer))  # type: ignore[arg-type]
    member.read(10, 0.0)
    consumer.events = [event]
    assert member.keep() is kept
    assert consumer.polled_paused == set(AT.values()), "nothing more is fetched"
    assert consumer.paused & consumer.held == set(), "and is fetched again afterwards"
    member.read(10, 0.0)
    consumer.paused.clear()
    assert member.keep(), "what was read since is ours"
