"""A topic of the subscriber's own: what is in it, and that whatever fails there is tried again."""

import asyncio
import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from bus.kafka import KafkaLog
from bus.memory import MemoryLog
from bus.port import Log, LogError, Record, RecordTooLargeError, Stored, TopicPartition
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.channels.topic import OwnTopic
from router.delivery.channels.webhook import CONTENT_TYPE, body_of
from router.delivery.sender import Sender
from schemas.documents import json_schema
from schemas.fields import Beside
from schemas.notification import DesignationData
from schemas.topics import Topic, own_topic
from tests.bus.engines import one_broker
from tests.delivery.dispatching import QUICK, at_work, receipts
from tests.delivery.dispatching import until_so as until
from tests.delivery.notices import AT, BESIDE, WHO, notice, queued
from tests.support.kafka import brokers, read_downstream

TOPIC = own_topic("portal")
OUTGOING = Outgoing(7, notice("MED", 3), 0.0, BESIDE)


class WhoItIs:
    """Knows everybody."""

    def now(self, row: DesignationData, *, has_waited: bool) -> Beside:
        del row, has_waited
        return BESIDE

    async def until_known(self, row: DesignationData) -> None:
        """It is."""


class Failing(MemoryLog):
    """Refuses the first appends, each with its error."""

    def __init__(self, errors: Sequence[LogError], partitions: int = 1) -> None:
        super().__init__(partitions, [TOPIC])
        self.errors = list(errors)
        self.closed = 0

    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        if self.errors:
            on_done(self.errors.pop(0))
        else:
            super().submit(records, on_done)

    def close(self) -> None:
        """Counted; what is in it can be looked at."""
        self.closed += 1


def opening(log: Log, *errors: Exception) -> Callable[[Topic], Log]:
    """Gives the log once the errors have been raised."""
    left = list(errors)

    def opened(topic: Topic) -> Log:
        assert topic == TOPIC
        if left:
            raise left.pop(0)
        return log

    return opened


def attempts(opened: Callable[[Topic], Log], number: int = 1) -> list[AttemptResult]:
    async def made() -> list[AttemptResult]:
        channel = OwnTopic("portal", TOPIC, opened)
        try:
            return [await channel.send(OUTGOING) for _ in range(number)]
        finally:
            await channel.close()

    return asyncio.run(made())


def written(log: Log) -> list[Stored]:
    places = [TopicPartition(TOPIC.name, n) for n in range(log.partitions(TOPIC.name))]
    return [record for place in places for record in log.scan(place, 0, 1_000)]


def test_a_record_is_the_event_of_a_webhook_under_its_ward() -> None:
    log = Failing([])
    assert attempts(opening(log)) == [AttemptResult()]
    (record,) = written(log)
    assert (record.key, record.value) == ("MED", body_of("portal", OUTGOING))
    headers = {name: text.decode() for name, text in record.headers}
    assert headers["content-type"] == CONTENT_TYPE
    event = json.loads(record.value or b"")
    schema = json_schema("subscriber-notice")
    assert headers["schema-id"] == schema["$id"]
    Draft202012Validator(schema).validate(event)
    assert (event["subscriptionsequence"], event["data"]["patient"]["family"]) == (7, WHO.family)


def test_a_test_event_has_no_key_and_its_own_schema() -> None:
    log = Failing([])

    async def tried() -> AttemptResult:
        channel = OwnTopic("portal", TOPIC, opening(log))
        try:
            return await channel.test("test-1", AT)
        finally:
            await channel.close()

    assert asyncio.run(tried()) == AttemptResult()
    (record,) = written(log)
    schema = json_schema("test-event")
    assert (record.key, dict(record.headers)["schema-id"].decode()) == (None, schema["$id"])
    Draft202012Validator(schema).validate(json.loads(record.value or b""))


def test_what_cannot_be_opened_or_appended_is_refused_and_opened_anew() -> None:
    log = Failing([LogError("no answer")])
    answers = attempts(opening(log, LogError("the brokers do not allow us this")), 3)
    assert [each.refusal for each in answers] == [
        "the brokers do not allow us this", "no answer", None,
    ]  # fmt: skip
    assert log.closed == 2, "after what failed, and at the end"
    assert len(written(log)) == 1


def test_what_is_too_large_is_refused_for_itself_and_harms_no_other() -> None:
    log = Failing([RecordTooLargeError("too large")])
    answers = attempts(opening(log), 2)
    assert answers == [AttemptResult("too large", unwanted=True), AttemptResult()]
    assert log.closed == 1, "at the end"


def test_after_the_end_nothing_is_opened() -> None:
    async def late() -> AttemptResult:
        channel = OwnTopic("portal", TOPIC, opening(Failing([]), AssertionError("opened")))
        await channel.close()
        return await channel.send(OUTGOING)

    assert asyncio.run(late()).refusal == "nothing more is written to the topic"


def test_the_address_is_told_by_a_hash_and_is_each_subscribers_own() -> None:
    one, two = (OwnTopic(name, own_topic(name), opening(Failing([]))) for name in ("a", "b"))
    assert one.endpoint != two.endpoint
    assert "told" not in one.endpoint


def test_a_failed_append_is_made_again_under_the_same_number() -> None:
    log, away = MemoryLog(), [LogError("no answer")] * 5
    own = Failing(away, partitions=3)
    log.append([queued("portal", ward, number) for number in (1, 2, 3) for ward in ("A", "B")])
    channel = OwnTopic("portal", TOPIC, opening(own, *away))
    sender = Sender("portal", channel, QUICK, fields=WhoItIs())
    with at_work(log, sender):
        until(lambda: sender.figures.delivered == 6)
    assert [(each.outcome, each.fields) for each in receipts(log)] == [
        ("delivered", "identified")
    ] * 6
    assert sender.figures.refused_attempts == 9, "of ten; the test notice met one"
    assert told_once([json.loads(record.value or b"") for record in written(own)]) == 6


def told_once(events: Sequence[dict[str, Any]]) -> int:
    """How many there are, each number once, and each ward's in order."""
    numbers = Counter(event["subscriptionsequence"] for event in events)
    assert numbers == dict.fromkeys(range(1, len(events) + 1), 1)
    by_ward = defaultdict(list)
    for event in events:
        by_ward[event["subject"]].append(event["data"]["sequence"])
    assert all(found == sorted(found) for found in by_ward.values())
    return len(events)


def test_another_client_reads_from_a_real_broker_what_the_subscriber_is_told() -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=3)
    log = MemoryLog()
    wards = ["A", "B", "C", "D", "E"]
    log.append([queued("portal", ward, number) for number in range(1, 21) for ward in wards])
    channel = OwnTopic("portal", TOPIC, lambda topic: KafkaLog(settings, [topic]))
    sender = Sender("portal", channel, QUICK, fields=WhoItIs())
    with at_work(log, sender):
        until(lambda: sender.figures.delivered == 100)
    found = read_downstream(settings.topic("told.portal"), 3, lambda found: len(found) > 100)
    records = [each for each in found if each.key is not None]
    assert len(found) == len(records) + 1, "the test notice"
    assert told_once([json.loads(record.value) for record in records]) == 100
    for record in records:
        event = json.loads(record.value)
        assert record.key.decode() == event["subject"] == event["data"]["ward"]
        assert event["data"]["patient"]["number"] == WHO.number
        assert dict(record.headers)["content-type"] == CONTENT_TYPE.encode()
    assert len({record.partition for record in records}) > 1
