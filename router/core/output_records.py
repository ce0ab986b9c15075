"""The output records of one decision, in order."""

from __future__ import annotations

from datetime import datetime

from bus.port import Record, Stored
from router.core.designations import Name
from router.core.facts import taken_at
from router.core.held_visit import Visit
from router.core.keys import joined
from router.core.people import Pointer
from router.core.visit import Fold
from schemas import topics
from schemas.alias import Alias
from schemas.authority import Tick
from schemas.notification import DesignationData, Notification
from schemas.review import ReviewItem, ReviewStep


class OutputRecords:
    """Collects records; the realm routes all but what is a ward's own."""

    def __init__(self, realm: str) -> None:
        self.records: list[Record] = []
        self._realm = realm
        self._goes_on = False

    def state(self, key: str, row: bytes | None) -> None:
        """A row of state, or its end."""
        self.records.append(Record(topics.STATE, self._realm, key, row))

    def encounter(self, visit: Visit, fold: Fold | None = None) -> None:
        """The visit as its source describes it now; ``fold``: its own, where that is not to be kept."""
        view = (fold or visit.fold()).view(visit.source, visit.visit)
        value = view.__pydantic_serializer__.to_json(view)
        key = joined(visit.source, visit.visit)
        self.records.append(Record(topics.ENCOUNTERS, self._realm, key, value))

    def no_encounter(self, visit: Visit) -> None:
        """The visit is not kept any longer."""
        key = joined(visit.source, visit.visit)
        self.records.append(Record(topics.ENCOUNTERS, self._realm, key, None))

    def notification(self, notification: Notification) -> None:
        """What a ward is told."""
        ward, value = notification.subject, notification.model_dump_json(exclude_none=True).encode()
        self.records.append(Record(topics.DESIGNATIONS, ward, ward, value))

    def inbound(self, name: Name, data: DesignationData | None) -> None:
        """The ward's list: who is coming, or (None) is no longer."""
        key = joined(name.ward, name.source, name.visit)
        value = data.model_dump_json().encode() if data else None
        self.records.append(Record(topics.INBOUND, name.ward, key, value))

    def review(self, item: ReviewItem) -> None:
        """What a person must look at."""
        value = item.model_dump_json().encode()
        self.records.append(Record(topics.REVIEW, self._realm, item.id, value))

    def reviewed(self, step: ReviewStep) -> None:
        """An item has ended."""
        value = step.model_dump_json().encode()
        self.records.append(Record(topics.REVIEWED, self._realm, step.key, value))

    def tick(self, at: datetime) -> None:
        """Have the router go on at once, at the same time, with what is left to do: asked again, once."""
        if self._goes_on:
            return
        self._goes_on = True
        value = Tick(realm=self._realm, at=at).model_dump_json().encode()
        self.records.append(Record(topics.TICKS, self._realm, self._realm, value))

    def alias(self, source: str, number: str, pointer: Pointer | None) -> None:
        """Where a number leads now; None for one that is a patient itself."""
        value = None
        if pointer is not None:
            alias = Alias(realm=self._realm, source=source, number=number, patient=pointer.to,
                          merged=pointer.merged)  # fmt: skip
            value = alias.model_dump_json().encode()
        key = joined(self._realm, source, number)
        self.records.append(Record(topics.ALIASES, self._realm, key, value))


def review_of_record(stored: Stored, realm: str, reason: str, detail: str) -> ReviewItem:
    """The review item of a record that says nothing the router can read."""
    return ReviewItem(
        id=joined("router", stored.topic, str(stored.partition), str(stored.offset)),
        realm=realm,
        source="",
        feed="",
        at=taken_at(stored),
        reason=reason,
        detail=detail,
        where=f"{stored.topic}/{stored.partition} offset {stored.offset}",
        withheld=True,
        mark_unread=stored.topic == topics.OBSERVATIONS,
        repeatable=False,
    )
