"""Records that no process of wardbridge wrote: read, reviewed and passed, on every engine that can hold them."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from bus.kafka import KafkaLog
from bus.port import Log, Record, Stored, TopicPartition
from bus.runner import StepRunner
from bus.sqlite import SqliteLog
from bus.sqlite.schema import first_id
from schemas.topics import DESIGNATIONS, OBSERVATIONS, RAW, REVIEW, STATE
from tests.bus.engines import ENGINES, Engine
from tests.bus.test_contract import raw, read_all, texts
from tests.bus.test_runner import Counting, told

KEYS = [b"\xff", b"\xc3\x28", b"a\xedb", b"\xed\xa0\x80"]  # the last is half a surrogate pair


INSERT = "INSERT INTO record (id, at_ms, key, value) VALUES (?, ?, CAST(? AS TEXT), ?)"
NEWEST = "INSERT OR REPLACE INTO newest (slot, key, id) VALUES (?, CAST(? AS TEXT), ?)"


class NotUtf8(str):
    """The name of a header as other clients may send it."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


@pytest.fixture(params=["sqlite", "kafka"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made = ENGINES[request.param](tmp_path)
    yield made
    made.close()


def write_foreign(
    log: Log, topic: str, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
) -> None:
    if isinstance(log, KafkaLog):
        producer = KafkaProducer(bootstrap_servers=list(log.settings.brokers))
        producer.send(log.settings.topic(topic), value, key, list(headers), 0).get(30)
        producer.close()
        return
    assert isinstance(log, SqliteLog)
    slot, end = log._slots[TopicPartition(topic, 0)], log.ends(topic)[0]
    row = (first_id(slot, end), 1, key, value)
    with closing(sqlite3.connect(log.path)) as connection, connection:
        connection.execute(INSERT, row)
        connection.execute(NEWEST, (slot, key, row[0]))


def among(engine: Engine, topic: str, key: bytes, value: bytes | None = b"foreign") -> Log:
    """A log with a foreign record between two of ours."""
    log = engine(1)
    log.append([Record(topic, "r", "before", b"before")])
    write_foreign(log, topic, key, value)
    log = engine.reopen(log)
    log.append([Record(topic, "r", "after", b"after")])
    return log


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_key_that_is_not_utf8_is_read_and_told_apart(engine: Engine, key: bytes) -> None:
    log = among(engine, OBSERVATIONS, key)
    found = read_all(log, "g", [OBSERVATIONS])
    assert [(stored.value, stored.is_foreign) for stored in found] == [
        (b"before", False), (b"foreign", True), (b"after", False),
    ]  # fmt: skip
    assert texts(log.scan(TopicPartition(OBSERVATIONS, 0), 0, 10)) == ["before", "foreign", "after"]


def test_a_foreign_row_of_state_is_in_review_and_the_state_is_whole(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a")])
    runner = StepRunner(log, "g", Counting(), reviewed)
    runner.run_once()
    write_foreign(log, STATE, KEYS[0], b"not a number")
    log = engine.reopen(log)
    log.append([raw("r", "a")])
    runner = StepRunner(log, "g", Counting(), reviewed)
    runner.run_once()
    assert told(log) == ["a1", "a2"]
    assert texts(log.scan(TopicPartition(REVIEW, 0), 0, 10)) == ["state"]


def test_a_foreign_input_is_decided_like_any_other(engine: Engine) -> None:
    log = among(engine, RAW, KEYS[0])
    StepRunner(log, "g", Counting(), reviewed).run_once()
    assert told(log) == ["before1", "foreign1", "after1"]


def reviewed(stored: Stored, _: Exception) -> Sequence[Record]:
    return [Record(REVIEW, "r", "k", stored.topic.encode())]


@pytest.fixture
def kafka_log(tmp_path: Path) -> Iterator[Log]:
    made = ENGINES["kafka"](tmp_path)
    yield made(1)
    made.close()


@pytest.mark.parametrize("topic", [OBSERVATIONS, DESIGNATIONS])
@pytest.mark.parametrize(
    "headers",
    [
        [(NotUtf8("n"), b"v")],
        [("good", b"v"), (NotUtf8("n"), b"v")],
        [("content-type", b"\xff")],
        [("content-type", b"text/plain"), ("ce_id", b"\xff")],
        [("content-type", b"text/plain")],
    ],
    ids=str,
)
def test_headers_that_are_none_of_ours_cost_no_record(
    kafka_log: Log, topic: str, headers: Any
) -> None:
    kafka_log.append([Record(topic, "r", "w", b"before")])
    write_foreign(kafka_log, topic, b"w", b"{foreign", headers)
    kafka_log.append([Record(topic, "r", "w", b"after")])
    expected = ["before", "{foreign", "after"]
    assert texts(read_all(kafka_log, "g", [topic])) == expected
    assert texts(kafka_log.scan(TopicPartition(topic, 0), 0, 10)) == expected


def test_a_foreign_row_is_loaded_with_all_others(kafka_log: Log) -> None:
    kafka_log.append([Record(STATE, "r", "a", b"1")])
    write_foreign(kafka_log, STATE, b"b", b"2", [(NotUtf8("n"), b"v")])
    write_foreign(kafka_log, STATE, KEYS[0], b"3")
    assert texts(list(kafka_log.load(TopicPartition(STATE, 0)))) == ["1", "2", "3"]
