"""Records that anybody may have written into the router's topics: each goes to review, none stops it."""

import json

import pytest

from bus.memory import MemoryLog
from bus.port import Record, Stored, TopicPartition
from bus.runner import StepRunner
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority
from schemas.review import ReviewItem
from schemas.ward import WardRegister
from wardbridge.routing import review_of_failure

FOREIGN = b"\xffrealm".decode("utf-8", "surrogateescape")
TIMELINE = Authority(realm="vgr", entries=()).model_dump_json().encode()
VALUES = [
    None, b"", b"\xff", b"{", b"null", b"[]", b'"text"', b"{}", b'{"realm": "\\ud800"}', b'{"realm": 1}',
    b'{"type": "envelope", "realm": "\\ud800"}', b"[" * 100_000, b'{"a":' * 5_000, TIMELINE,
]  # fmt: skip


@pytest.mark.parametrize("topic", RouterStep.inputs)
@pytest.mark.parametrize("key", [None, "", FOREIGN, "vgr", "a|b%"], ids=repr)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_whatever_cannot_be_read_is_in_review(
    topic: str, key: str | None, value: bytes | None
) -> None:
    step = RouterStep(WardRegister(open_register=True))
    stored = Stored(topic, 0, 7, key, value, (), 0)
    if (topic, key, value) == (topics.AUTHORITY, "vgr", TIMELINE):
        return  # the one that is right
    decided = step.decide(step.empty(0), stored)
    (record,) = decided
    item = ReviewItem.model_validate_json(record.value or b"")
    assert (record.topic, item.reason) == (topics.REVIEW, "unreadable-record")
    assert item.where == f"{topic}/0 offset 7"
    MemoryLog().append(decided)  # a log takes it


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_a_fault_at_such_a_record_can_be_reviewed_too(value: bytes | None) -> None:
    stored = Stored(topics.OBSERVATIONS, 0, 7, FOREIGN, value, (), 0)
    MemoryLog().append(review_of_failure(stored, ValueError()))


def test_the_router_goes_on_behind_them() -> None:
    log = MemoryLog()
    runner = StepRunner(
        log, "router", RouterStep(WardRegister(open_register=True)), review_of_failure
    )
    values = [value for value in VALUES if value is not None]
    log.append([Record(topics.OBSERVATIONS, "vgr", "k", value) for value in values])
    log.append([Record(topics.AUTHORITY, "vgr", "vgr", TIMELINE)])
    while runner.run_once():
        pass
    assert (runner.figures().failures, runner.figures().unreviewed) == (0, 0)
    reviews = [
        json.loads(each.value or b"") for each in log.scan(TopicPartition(topics.REVIEW, 0), 0, 100)
    ]
    assert len(reviews) == len(values)
    assert [
        row.key
        for row in log.load(TopicPartition(topics.STATE, 0))
        if row.key and row.key[0] != "%"
    ] == ["vgr|authority"]
