"""Notices on the wire: what the Kafka protocol binding for CloudEvents demands, and back again.

The official SDK reads what is sent; a plain client reads what a real broker holds.
"""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from jsonschema import Draft7Validator, Draft202012Validator
from kafka import KafkaConsumer, TopicPartition

from bus.kafka import KafkaLog, KafkaSettings
from bus.kafka.cloudevents import BoundMessage, Mode, received, sent
from bus.port import Header, Record
from bus.port import TopicPartition as At
from schemas.base import VisitRef
from schemas.documents import IN_BINARY_MODE, asyncapi, json_schema
from schemas.notification import DesignationData, Kind, Notification, Reason
from schemas.topics import DESIGNATIONS, TOPICS
from tests.e2e.test_service import started, stream, tell
from tests.support.kafka import brokers
from tests.support.labs import lab_on_kafka

MODES: Sequence[Mode] = get_args(Mode)
NOW = datetime(2026, 1, 15, 6, 15, tzinfo=UTC)
DATA = DesignationData(
    kind=Kind.DESIGNATED, reason=Reason.MARKED, realm="region", ward="ÖNH/1", hospital="Östra",
    visit=VisitRef(source="ehr", visit="4711"), version=1, sequence=7, announced_at=NOW,
)  # fmt: skip
NOTICE = Notification(
    id="n1", source="/wardbridge/region", type="wardbridge.designation.designated.v1",
    subject="ÖNH/1", time=NOW, data=DATA,
)  # fmt: skip
EVENT = NOTICE.model_dump_json().encode()
SHOULD_BE: dict[Mode, dict[str, bytes]] = {
    "structured": {
        "content-type": b"application/cloudevents+json; charset=UTF-8",
        "schema-id": b"urn:wardbridge:notification:1",
    },
    "binary": {
        "ce_specversion": b"1.0",
        "ce_id": b"n1",
        "ce_source": b"/wardbridge/region",
        "ce_type": b"wardbridge.designation.designated.v1",
        "ce_subject": "ÖNH/1".encode(),
        "ce_time": b"2026-01-15T06:15:00Z",
        "ce_dataschema": b"urn:wardbridge:inbound:1",
        "content-type": b"application/json",
        "schema-id": b"urn:wardbridge:inbound:1",
    },
}


def as_read(message: BoundMessage) -> Notification:
    return Notification.model_validate_json(message.value or b"")


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_has_exactly_the_headers_of_the_binding_and_the_schema(mode: Mode) -> None:
    assert dict(sent(EVENT, mode).headers) == SHOULD_BE[mode]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_read_is_what_was_written_and_the_headers_of_the_binding_are_gone(
    mode: Mode,
) -> None:
    value, headers = sent(EVENT, mode)
    read = received(value, (("degraded", b"x"), *headers))
    assert (as_read(read), read.headers) == (NOTICE, (("degraded", b"x"),))


@pytest.mark.parametrize("mode", MODES)
def test_the_official_sdk_reads_the_same_event(mode: Mode) -> None:
    value, headers = sent(EVENT, mode)
    message = KafkaMessage(headers=dict(headers), key=b"W", value=value or b"")
    event = from_kafka_event(message)
    expected = json.loads(EVENT)
    assert event.get_data() == expected["data"]
    assert (event.get_id(), event.get_source(), event.get_type(), event.get_subject()) == (
        expected["id"], expected["source"], expected["type"], expected["subject"]
    )  # fmt: skip
    assert (event.get_time(), event.get_datacontenttype()) == (NOW, "application/json")
    assert event.get_dataschema() == NOTICE.dataschema


@pytest.mark.parametrize(
    ("mode", "document"), [("structured", "notification"), ("binary", "inbound")]
)
def test_the_schema_that_the_header_names_describes_the_value(mode: Mode, document: str) -> None:
    schema = json_schema(document)
    value, headers = sent(EVENT, mode)
    assert dict(headers)["schema-id"].decode() == schema["$id"]
    Draft202012Validator(schema).validate(json.loads(value or b""))


@pytest.mark.parametrize(("mode", "message"), [("structured", "notification"),
                                               ("binary", IN_BINARY_MODE)])  # fmt: skip
def test_the_asyncapi_document_describes_headers_and_value(mode: Mode, message: str) -> None:
    found = asyncapi()
    described = found["components"]["messages"][message]
    value, headers = sent(EVENT, mode)
    texts = {name: text.decode() for name, text in headers}
    assert set(described["headers"]["required"]) == set(texts)
    Draft7Validator(described["headers"]).validate(texts)
    payload = {**described["payload"], "components": found["components"]}
    Draft7Validator(payload).validate(json.loads(value or b""))
    assert message in found["channels"][DESIGNATIONS]["messages"]


def test_the_attribute_dataschema_names_the_schema_of_the_data() -> None:
    assert NOTICE.dataschema == json_schema("inbound")["$id"]


@pytest.mark.parametrize(
    "headers",
    [(), (("content-type", b"APPLICATION/CloudEvents+json"),), (("schema-id", b"x"),)],
    ids=["written before there were headers", "in capitals", "without content-type"],
)
def test_a_record_of_an_older_version_is_structured(headers: Sequence[Header]) -> None:
    assert received(EVENT, headers) == BoundMessage(EVENT, ())


def test_attributes_that_this_version_does_not_know_survive_the_way_through() -> None:
    event = json.loads(EVENT) | {"traceparent": "00-1"}
    value, headers = sent(json.dumps(event).encode(), "binary")
    assert dict(headers)["ce_traceparent"] == b"00-1"
    assert json.loads(received(value, headers).value or b"")["traceparent"] == "00-1"


@pytest.fixture(params=MODES)
def log(request: pytest.FixtureRequest) -> Iterator[KafkaLog]:
    settings = KafkaSettings(
        tuple(brokers()), f"t{uuid.uuid4().hex[:8]}.", replication=1, min_insync=1,
        cloudevents=request.param,
    )  # fmt: skip
    table = [topic for topic in TOPICS if topic.name == DESIGNATIONS]
    opened = KafkaLog.open(settings, table=table)
    yield opened
    opened.close()


def on_the_wire(settings: KafkaSettings) -> list[Any]:
    """All records of the notices' topic, as any client gets them."""
    consumer = KafkaConsumer(bootstrap_servers=list(settings.brokers), auto_offset_reset="earliest")
    at = TopicPartition(settings.topic(DESIGNATIONS), 0)
    consumer.assign([at])
    end = consumer.end_offsets([at])[at]
    found: list[Any] = []
    while consumer.position(at) < end:
        found += [record for batch in consumer.poll(1000).values() for record in batch]
    consumer.close()
    return found


def test_a_broker_holds_the_mode_that_is_configured_and_the_log_reads_either(
    log: KafkaLog,
) -> None:
    other = replace(
        log.settings, cloudevents=next(mode for mode in MODES if mode != log.settings.cloudevents)
    )
    record = Record(DESIGNATIONS, "ÖNH/1", "ÖNH/1", EVENT)
    log.append([record])
    successor = KafkaLog(other, list(log.topics.values()))
    successor.append([record])
    successor.close()
    found = on_the_wire(log.settings)
    assert [dict(each.headers) for each in found] == [
        SHOULD_BE[log.settings.cloudevents], SHOULD_BE[other.cloudevents]
    ]  # fmt: skip
    assert {each.key for each in found} == {"ÖNH/1".encode()}  # the ward, never a person
    stored = log.scan(At(DESIGNATIONS, 0), 0, 10)
    assert [Notification.model_validate_json(each.value or b"") for each in stored] == [NOTICE] * 2
    assert [each.headers for each in stored] == [(), ()]


def test_notices_copied_from_another_log_are_written_as_the_others(log: KafkaLog) -> None:
    log.append([Record(DESIGNATIONS, "ÖNH/1", "ÖNH/1", EVENT)])
    log.append_at(At(DESIGNATIONS, 0), log.scan(At(DESIGNATIONS, 0), 0, 10))
    first, copied = on_the_wire(log.settings)
    assert (copied.key, copied.value, copied.headers) == (first.key, first.value, first.headers)


def test_a_service_that_writes_binary_tells_its_streams_whole_events(tmp_path: Path) -> None:
    service = started(lab_on_kafka(tmp_path, 'cloudevents = "binary"'))
    try:
        with stream(service, "W1") as events:
            tell(service, ("A14", "W1"))
            told = Notification.model_validate(next(events))
        (prefix,) = re.findall(r'^prefix = "(.+)"$', service.config.read_text(), re.MULTILINE)
        (record,) = on_the_wire(KafkaSettings(tuple(brokers()), prefix))
        assert dict(record.headers)["ce_id"].decode() == told.id
        assert DesignationData.model_validate_json(record.value) == told.data
        assert service.stop() == 0
    finally:
        service.kill()
