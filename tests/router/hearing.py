"""A router that hears: the step driven in memory, with what it told kept for the asserts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bus.port import Record, Stored
from router.core.fulfilment import FulfilledBy, Fulfilment
from router.core.partition import RouterState
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry, Tick
from schemas.notification import Notification
from schemas.observation import Observation
from schemas.review import ReviewItem, ReviewStep, is_open
from schemas.ward import WardRegister
from tests.router.saying import REALM, START, envelope

LONG = timedelta(days=30)
OpenKey = tuple[str, str, str]  # ward, source, visit


def authority(*entries: str) -> Authority:
    """``ehr`` (the realm's), ``W1=elvis``, ``W1=ehr@06:30`` (from then on)."""
    return Authority(realm=REALM, entries=tuple(map(_entry, entries)))


def _entry(text: str) -> AuthorityEntry:
    rule, _, clock = text.partition("@")
    ward, _, source = rule.rpartition("=")
    hour, _, minute = clock.partition(":")
    at = START.replace(hour=int(hour), minute=int(minute)) if clock else None
    return AuthorityEntry(
        scope="ward" if ward else "realm", name=ward, source=source, effective_at=at
    )


def told(records: Sequence[Record]) -> list[Notification]:
    return [
        Notification.model_validate_json(record.value or b"")
        for record in records
        if record.topic == topics.DESIGNATIONS
    ]


class Router:
    """Hears observations, authority and ticks; says what it told whom."""

    def __init__(
        self, *entries: str, keep: timedelta = LONG, fulfilled_by: FulfilledBy = "place"
    ) -> None:
        fulfilments = {REALM: Fulfilment(fulfilled_by)}
        self.step = RouterStep(WardRegister(open_register=True), keep, fulfilments)
        self.state = self.step.empty(0)
        self.records: list[Record] = []
        self._offset = 0
        self.goes_on = True
        self._gone_on = 0
        self.believe(*entries or ("ehr",))

    def feed(self, topic: str, value: bytes | None, key: str | None = REALM) -> list[Record]:
        stored = Stored(topic, 0, self._offset, key, value, (), 1_768_888_800_000)
        self._offset += 1
        out = list(self.step.decide(self.state, stored))
        self.records += out
        for record in tuple(out) if self.goes_on else ():
            if record.topic == topics.TICKS:  # what the router has left to do, it tells itself
                out += self.feed(topics.TICKS, record.value, record.key)
        return out

    def go_on(self) -> bool:
        """Have the next done of what the router has left to do; whether there was any (``goes_on``: by itself)."""
        while not self.goes_on and self._gone_on < len(self.records):
            record = self.records[self._gone_on]
            self._gone_on += 1
            if record.topic == topics.TICKS:
                self.feed(topics.TICKS, record.value, record.key)
                return True
        return False

    def catch_up(self) -> Router:
        """Have all of it done."""
        while self.go_on():
            pass
        return self

    def hear(self, *said: Observation) -> Router:
        """Each in an input of its own."""
        for each in said:
            self.hear_at_once(each)
        return self

    def hear_at_once(self, *said: Observation, received_at: datetime | None = None) -> Router:
        self.feed(topics.OBSERVATIONS, envelope(*said, received_at=received_at).to_json())
        return self

    def believe(self, *entries: str) -> Router:
        self.feed(topics.AUTHORITY, authority(*entries).model_dump_json().encode())
        return self

    def tick(self, at: datetime) -> Router:
        self.feed(topics.TICKS, Tick(realm=REALM, at=at).model_dump_json().encode())
        return self

    def restart(self) -> Router:
        """Everything forgotten but the rows of state."""
        self.state = restored(self.step, rows(self.records, topics.STATE))
        return self

    @property
    def told(self) -> list[Notification]:
        return told(self.records)

    @property
    def words(self) -> list[str]:
        """Every notification as ``ward kind reason``, in order."""
        return [f"{n.subject} {n.data.kind} {n.data.reason}" for n in self.told]

    @property
    def open(self) -> set[OpenKey]:
        """By the notifications alone."""
        return open_after(self.told)

    @property
    def wards(self) -> list[str]:
        """Wards with somebody on the way, sorted."""
        return sorted(ward for ward, _, _ in self.open)

    @property
    def inbound(self) -> set[OpenKey]:
        """By the read model's topic."""
        values = map(json.loads, rows(self.records, topics.INBOUND).values())
        return {(v["ward"], v["visit"]["source"], v["visit"]["visit"]) for v in values}

    @property
    def encounters(self) -> Mapping[str, dict[str, Any]]:
        return {
            key: json.loads(value) for key, value in rows(self.records, topics.ENCOUNTERS).items()
        }

    @property
    def review(self) -> list[ReviewItem]:
        return [
            ReviewItem.model_validate_json(record.value or b"")
            for record in self.records
            if record.topic == topics.REVIEW
        ]

    @property
    def waiting(self) -> set[str]:
        """Ids of the review items that are open, by what compaction leaves of both topics."""
        values = rows(self.records, topics.REVIEWED).values()
        steps = [ReviewStep.model_validate_json(value) for value in values]
        items = map(ReviewItem.model_validate_json, rows(self.records, topics.REVIEW).values())
        return {item.id for item in items if is_open(item, [s for s in steps if s.item == item.id])}


def rows(records: Sequence[Record], topic: str) -> dict[str, bytes]:
    """What compaction leaves of a topic."""
    newest = {r.key or "": r.value for r in records if r.topic == topic}
    return {key: value for key, value in newest.items() if value is not None}


def restored(step: RouterStep, state_rows: Mapping[str, bytes]) -> RouterState:
    state = step.empty(0)
    for key, value in state_rows.items():
        step.restore(state, Stored(topics.STATE, 0, 0, key, value, (), 0))
    return state


def open_after(notifications: Sequence[Notification]) -> set[OpenKey]:
    """Open designations, and that each ward's stream for each visit is well formed."""
    found: set[OpenKey] = set()
    for key, kind in _kinds(notifications):
        if kind == "designated":
            assert key not in found, f"{key} opened twice in a row"
            found.add(key)
        else:
            assert key in found, f"{key}: {kind} without an open designation"
            found -= {key} if kind != "changed" else set()
    return found


def _kinds(notifications: Sequence[Notification]) -> Iterator[tuple[OpenKey, str]]:
    for each in notifications:
        visit = each.data.visit
        yield (each.subject, visit.source, visit.visit), each.data.kind.value
