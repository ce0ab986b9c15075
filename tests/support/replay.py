"""A fresh, undisturbed router over what a log has committed: what it would have told."""

from __future__ import annotations

from collections.abc import Iterator

from bus.memory import MemoryLog
from bus.port import Log, Record, Stored, TopicPartition
from bus.runner import StepRunner
from router.core.step import RouterStep
from schemas import topics
from schemas.notification import Notification
from schemas.ward import WardRegister

AT_ONCE = 10_000


def replayed_notifications(log: Log, partition: int = 0) -> list[Notification]:
    """Of one partition and an open register: the notifications in order."""
    fresh = MemoryLog()
    for topic in (topics.AUTHORITY, topics.OBSERVATIONS):
        kept = everything(log, topic, partition)
        fresh.append([Record(s.topic, s.key or "", s.key, s.value) for s in kept])
    runner = StepRunner(
        fresh, "replay", RouterStep(WardRegister(open_register=True)), lambda *_: ()
    )
    while runner.run_once():
        pass
    told = everything(fresh, topics.DESIGNATIONS)
    return [Notification.model_validate_json(stored.value or b"") for stored in told]


def everything(log: Log, topic: str, partition: int = 0) -> Iterator[Stored]:
    """A partition's committed records, from the oldest kept to the end."""
    at, offset = TopicPartition(topic, partition), log.starts(topic)[partition]
    while records := log.scan(at, offset, AT_ONCE):
        yield from records
        offset = records[-1].offset + 1
