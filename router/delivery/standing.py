"""How a subscription is, and what has happened for it: read from the log, by whoever is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bus.port import Log, LogError, TopicPartition
from bus.records import records_of
from router.delivery.bundles import Standing
from router.delivery.channel import Outgoing
from router.delivery.fanout import state_of
from router.delivery.queue import SEQUENCE, group_of, own_of
from router.delivery.receipts import deliveries
from router.delivery.sender import BY_HAND, GONE
from schemas import topics
from schemas.delivery import SubscriberState
from schemas.notification import Notification

TRIES = 10
PAUSED = "paused by those who operate this service"
_ANSWERED: Final = re.compile(r"answered \d{3}")


def standing_of(log: Log, subscriber: str, endpoint: str, *, is_off: bool) -> Standing:
    """How it is now. ``endpoint``: where its notices are to go by now. Raises LogError."""
    state, reached = _reached(log, subscriber)
    if is_off:
        return Standing("off", reached)
    if state is None or state.endpoint != endpoint:
        return Standing("requested", reached)
    if state.paused is not None:
        is_by_hand = state.paused.startswith(BY_HAND)
        return (
            Standing("off", reached, PAUSED)
            if is_by_hand
            else Standing("error", reached, _for_owner(state.paused))
        )
    return Standing("active" if state.introduced else "requested", reached)


def _for_owner(paused: str) -> str:
    """Why, without what an endpoint in our network would tell whoever chose it of that network."""
    what, colon, why = paused.partition(": ")
    if paused == GONE or not colon or _ANSWERED.fullmatch(why):
        return paused
    return f"{what}: not reachable"


def events_of(log: Log, subscriber: str) -> Iterator[Outgoing]:
    """Everything that has happened for it and is kept, oldest first, numbered. Raises LogError."""
    state = state_of(log, subscriber)
    ended = {each.event: each.sequence for each in deliveries(log, subscriber)}
    last = max([state.sequence if state else 0, *ended.values()])
    for stored in own_of(records_of(log, topics.OUTGOING, subscriber), subscriber):
        if SEQUENCE in dict(stored.headers):
            continue
        notice = Notification.model_validate_json(stored.value or b"")
        number = ended.get(notice.id)
        if number is None:
            number = last = last + 1
        yield Outgoing(number, notice, stored.timestamp_ms / 1000)


def _reached(log: Log, subscriber: str) -> tuple[SubscriberState | None, int]:
    """The state and how many events there were, those that wait included: both as of one moment."""
    at = TopicPartition(topics.OUTGOING, log.partition_of(topics.OUTGOING, subscriber))
    for _ in range(TRIES):
        state = state_of(log, subscriber)
        start = log.starts(topics.OUTGOING)[at.partition]
        position = log.committed(group_of(subscriber)).get(at, start)
        waiting = _waiting(log, subscriber, at, max(position, start))
        if state == state_of(log, subscriber):
            return state, (state.sequence if state else 0) + waiting
    raise LogError("its notices are being sent: ask again")


def _waiting(log: Log, subscriber: str, at: TopicPartition, offset: int) -> int:
    count = 0
    while found := log.scan(at, offset, 1_000):
        count += sum(SEQUENCE not in dict(each.headers) for each in own_of(found, subscriber))
        offset = found[-1].offset + 1
    return count
