"""A fresh, undisturbed router over what a log has committed: what it would have told."""

from __future__ import annotations

from bus.memory import MemoryLog
from bus.port import Log, Record, TopicPartition
from bus.runner import StepRunner
from router.core.step import RouterStep
from schemas import topics
from schemas.notification import Notification
from schemas.ward import WardRegister

EVERYTHING = 10**9


def replayed_notifications(log: Log) -> list[Notification]:
    """Of one partition and an open register: the notifications in order."""
    fresh = MemoryLog()
    for topic in (topics.AUTHORITY, topics.OBSERVATIONS):
        committed = log.scan(TopicPartition(topic, 0), 0, EVERYTHING)
        fresh.append([Record(s.topic, s.key or "", s.key, s.value) for s in committed])
    runner = StepRunner(
        fresh, "replay", RouterStep(WardRegister(open_register=True)), lambda *_: ()
    )
    while runner.run_once():
        pass
    told = fresh.scan(TopicPartition(topics.DESIGNATIONS, 0), 0, EVERYTHING)
    return [Notification.model_validate_json(stored.value or b"") for stored in told]
