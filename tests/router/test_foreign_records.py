"""Records that anybody may have written into the router's topics: each goes to review, none stops it."""

import json

import pytest

from bus.memory import MemoryLog
from bus.port import LogError, Record, Stored, TopicPartition
from bus.runner import StepRunner
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, Tick
from schemas.review import ReviewItem
from schemas.ward import WardRegister
from tests.router.hearing import authority
from tests.router.saying import REALM, START, Source, envelope
from wardbridge.routing.step import review_of_failure

FOREIGN = b"\xffrealm".decode("utf-8", "surrogateescape")
TICK = Tick(realm="vgr", at=START).model_dump_json().encode()
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


IMPOSSIBLE_MS = [-(2**63), -1, 0, 2**53, 1_768_888_800_000_000, 2**63 - 1]
"""Times of a record that no log of ours has told: a client's own (CreateTime), or microseconds."""


@pytest.mark.parametrize("taken_ms", IMPOSSIBLE_MS)
@pytest.mark.parametrize("value", [b"junk", TIMELINE, TICK], ids=["junk", "authority", "tick"])
def test_a_record_with_an_impossible_time_is_decided_or_in_review(
    value: bytes, taken_ms: int
) -> None:
    step = RouterStep(WardRegister(open_register=True))
    topic = topics.TICKS if value is TICK else topics.AUTHORITY
    decided = step.decide(step.empty(0), Stored(topic, 0, 7, "vgr", value, (), taken_ms))
    assert decided
    MemoryLog().append(
        review_of_failure(Stored(topic, 0, 7, "vgr", value, (), taken_ms), ValueError())
    )


EXTREME = {
    "a clock in year 1": {"at": "0001-01-01T00:00:00Z"},
    "a clock in 1970": {"at": "1970-01-01T00:00:00Z"},
    "a clock in 9999": {"at": "9999-12-31T23:59:59Z"},
    "an interval without end": {"interval_s": 1e300},
    "no interval": {"interval_s": 0},
    "a negative interval": {"interval_s": -1},
    "an interval that is no number": {"interval_s": "NaN"},
    "an infinite interval": {"interval_s": "Infinity"},
}


@pytest.mark.parametrize("case", EXTREME)
def test_a_tick_that_no_clock_of_ours_tells_is_in_review(case: str) -> None:
    step = RouterStep(WardRegister(open_register=True))
    value = json.dumps(json.loads(TICK) | EXTREME[case]).encode()
    state = step.empty(0)
    (record,) = step.decide(state, Stored(topics.TICKS, 0, 7, "vgr", value, (), 0))
    assert ReviewItem.model_validate_json(record.value or b"").reason == "unreadable-record"
    assert not state.realms


@pytest.mark.parametrize("received", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_an_envelope_that_no_clock_of_ours_received_is_in_review(received: str) -> None:
    said = json.loads(envelope(Source().a14("W1")).to_json()) | {"received_at": received}
    step = RouterStep(WardRegister(open_register=True))
    stored = Stored(topics.OBSERVATIONS, 0, 7, REALM, json.dumps(said).encode(), (), 0)
    (record,) = step.decide(step.empty(0), stored)
    assert ReviewItem.model_validate_json(record.value or b"").reason == "unreadable-record"


KEYS = [
    "hello",
    "lab",
    "|",
    "||",
    "lab|",
    "lab|nothing|x",
    "lab|fact|a|b",
    "lab|told|a|b|c|d",
    "|clock",
    "a%b",
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_row_of_state_under_a_key_of_nobody_s_is_in_review_and_stops_nothing(key: str) -> None:
    log = MemoryLog()
    log.append([Record(topics.STATE, REALM, key, b"{}")])
    log.append([Record(topics.OBSERVATIONS, REALM, "k", envelope(Source().a14("W1")).to_json())])
    log.append(
        [Record(topics.AUTHORITY, REALM, REALM, authority("ehr").model_dump_json().encode())]
    )
    step = RouterStep(WardRegister(open_register=True))
    runner = StepRunner(log, "router", step, review_of_failure)
    while runner.run_once():
        pass
    (item,) = [
        ReviewItem.model_validate_json(each.value or b"")
        for each in log.load(TopicPartition(topics.REVIEW, 0))
    ]
    assert item.where == f"{topics.STATE}/0 offset 0"
    assert len(log.scan(TopicPartition(topics.DESIGNATIONS, 0), 0, 10)) == 1


@pytest.mark.parametrize("key", ["lab|ward|W1", "lab|clock", "lab|told|ehr|v1|W1"])
def test_a_row_of_ours_that_is_damaged_stops_the_router_and_says_where_to_look(key: str) -> None:
    log = MemoryLog()
    log.append([Record(topics.STATE, REALM, key, b"\x00damaged")])
    log.append([Record(topics.OBSERVATIONS, REALM, "k", b"junk")])
    runner = StepRunner(
        log, "router", RouterStep(WardRegister(open_register=True)), review_of_failure
    )
    with pytest.raises(LogError, match="runbook"):
        runner.run_once()


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
