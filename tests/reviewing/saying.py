"""Items and steps to test with, and the records that they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bus.port import Record
from schemas import topics
from schemas.review import Deed, ReviewItem, ReviewStep

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
REALM = "lab"


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def item(name: str = "i1", seconds: float = 0, **changed: Any) -> ReviewItem:
    made = ReviewItem(
        id=name, realm=REALM, source="ehr", feed="hl7", at=after(seconds), reason="ward-unknown",
        detail="no such code", where="PV1-3", withheld=False, statement=f"said {name}",
    )  # fmt: skip
    return made.model_copy(update=changed)


def step(
    name: str = "i1", deed: Deed = "resolved", seconds: float = 1, **changed: Any
) -> ReviewStep:
    made = ReviewStep(item=name, realm=REALM, deed=deed, at=after(seconds))
    return made.model_copy(update=changed)


def record(each: ReviewItem | ReviewStep) -> Record:
    value = each.model_dump_json().encode()
    if isinstance(each, ReviewItem):
        return Record(topics.REVIEW, each.realm, each.id, value)
    return Record(topics.REVIEWED, each.realm, each.key, value)
