"""Receipts: the result of each notice at each subscriber."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bus.port import Log, Record
from bus.records import records_of
from router.delivery.lanes import EndedDelivery
from schemas import topics
from schemas.delivery import Delivery, Outcome


def deliveries(log: Log, subscriber: str | None = None) -> Iterator[Delivery]:
    """Every delivery kept, oldest first in each partition. Raises LogError."""
    for record in records_of(log, topics.DELIVERIES, subscriber):
        delivery = Delivery.model_validate_json(record.value or b"")
        if subscriber in {None, delivery.subscriber}:
            yield delivery


def receipt_of(subscriber: str, ended: EndedDelivery, at: datetime) -> Record:
    """What is kept of a notice that has ended."""
    data, answer = ended.out.notice.data, ended.answer
    receipt = Delivery(
        subscriber=subscriber, sequence=ended.out.sequence, event=ended.out.notice.id,
        kind=data.kind, ward=data.ward, visit=data.visit, attempts=ended.attempts,
        fields=ended.fields, incomplete=ended.incomplete, status=answer.status, outcome=_outcome(ended),
        reason=answer.reason, at=at,
    )  # fmt: skip
    key = f"{subscriber}/{ended.out.sequence}"
    return Record(topics.DELIVERIES, subscriber, key, receipt.model_dump_json().encode())


def _outcome(ended: EndedDelivery) -> Outcome:
    if ended.skipped:
        return Outcome.SKIPPED
    return Outcome.PARKED if ended.answer.refusal else Outcome.DELIVERED
