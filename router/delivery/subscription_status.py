"""The status of a subscription, read from the log."""

from __future__ import annotations

import re
from typing import Final

from bus.port import Log
from router.delivery.bundles import SubscriptionStatus
from router.delivery.history import state_of
from router.delivery.queue import PAGE_RECORDS, counted, own_of, partition_of
from router.delivery.sender import BY_HAND, GONE
from schemas.delivery import SubscriberState

PAUSED: Final = "paused by those who operate this service"
_ANSWERED: Final = re.compile(r"answered \d{3}")


def standing_of(log: Log, subscriber: str, endpoint: str, *, is_off: bool) -> SubscriptionStatus:
    """How it is now. ``endpoint``: where its notices are to go by now. Raises LogError."""
    state = state_of(log, subscriber)
    reached = state.sequence + _not_counted_yet(log, state)
    if is_off:
        return SubscriptionStatus("off", reached)
    if state.endpoint != endpoint:
        return SubscriptionStatus("requested", reached)
    if state.paused is not None:
        if state.paused.startswith(BY_HAND):
            return SubscriptionStatus("off", reached, PAUSED)
        return SubscriptionStatus("error", reached, _for_owner(state.paused))
    return SubscriptionStatus("active" if state.introduced else "requested", reached)


def _for_owner(paused: str) -> str:
    """Why, without what an endpoint in our network would tell whoever chose it of that network."""
    what, colon, why = paused.partition(": ")
    if paused == GONE or not colon or _ANSWERED.fullmatch(why):
        return paused
    return f"{what}: not reachable"


def _not_counted_yet(log: Log, state: SubscriberState) -> int:
    at, count = partition_of(log, state.subscriber), 0
    offset = max(state.position, log.starts(at.topic)[at.partition])
    while found := log.scan(at, offset, PAGE_RECORDS):
        count += counted(own_of(found, state.subscriber))
        offset = found[-1].offset + 1
    return count
