"""A subscriber's queue: its own records, each with the number that it has or gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bus.port import Stored
from router.delivery.attempts import Numbered
from router.delivery.channel import Outgoing
from schemas.delivery import SubscriberState
from schemas.notification import Notification

SEQUENCE: Final = "sequence"
"""Header of a notice that is sent again by hand: the number that it has."""


def group_of(subscriber: str) -> str:
    """Whose position in the queue is the subscriber's."""
    return f"subscriber.{subscriber}"


def numbered(records: Sequence[Stored], state: SubscriberState) -> list[Numbered]:
    """The subscriber's own records: each the next number, unless it has one already."""
    own: list[Numbered] = []
    sequence = state.sequence
    for stored in own_of(records, state.subscriber):
        again = dict(stored.headers).get(SEQUENCE)
        if again is None:
            sequence += 1
        number = sequence if again is None else int(again)
        notice = Notification.model_validate_json(stored.value or b"")
        own.append(Numbered(stored, Outgoing(number, notice, stored.timestamp_ms / 1000)))
    return own


def own_of(records: Iterable[Stored], subscriber: str) -> Iterator[Stored]:
    """Those of the records that are this subscriber's."""
    return (stored for stored in records if stored.key == subscriber)
