"""What became of notices at subscribers, and how one is sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from bus.port import Log, Record
from bus.records import records_of
from router.delivery.attempts import Ended
from router.delivery.channel import Outgoing
from router.delivery.queue import SEQUENCE
from schemas import topics
from schemas.delivery import Delivery, Outcome


def deliveries(log: Log, subscriber: str | None = None) -> Iterator[Delivery]:
    """Every delivery kept, oldest first in each partition. Raises LogError."""
    for record in records_of(log, topics.DELIVERIES, subscriber):
        delivery = Delivery.model_validate_json(record.value or b"")
        if subscriber in {None, delivery.subscriber}:
            yield delivery


def subscribers(log: Log) -> frozenset[str]:
    """Everybody who was ever to be told. Raises LogError."""
    return frozenset(record.key for record in records_of(log, topics.SUBSCRIBERS) if record.key)


def send_again(log: Log, subscriber: str, sequence: int) -> bool:
    """Queue a notice anew under the number that it has; False where it is not kept any longer.

    Raises LogError.
    """
    event = next((d.event for d in deliveries(log, subscriber) if d.sequence == sequence), None)
    for stored in records_of(log, topics.OUTGOING, subscriber) if event else ():
        value = stored.value or b""
        if stored.key == subscriber and json.loads(value)["id"] == event:
            number = ((SEQUENCE, str(sequence).encode()),)
            log.append([Record(topics.OUTGOING, subscriber, subscriber, value, number)])
            return True
    return False


def receipt_of(subscriber: str, out: Outgoing, ended: Ended, at: datetime) -> Record:
    """What is kept of a notice that has ended."""
    data, answer = out.notice.data, ended.answer
    receipt = Delivery(
        subscriber=subscriber, sequence=out.sequence, event=out.notice.id, kind=data.kind,
        ward=data.ward, visit=data.visit, attempts=ended.attempts, fields=ended.fields,
        status=answer.status,
        outcome=_outcome(ended), reason=answer.refusal, at=at,
    )  # fmt: skip
    key = f"{subscriber}/{out.sequence}"
    return Record(topics.DELIVERIES, subscriber, key, receipt.model_dump_json().encode())


def _outcome(ended: Ended) -> Outcome:
    if ended.skipped:
        return Outcome.SKIPPED
    return Outcome.PARKED if ended.answer.refusal else Outcome.DELIVERED
