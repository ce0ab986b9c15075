"""A commit that the broker does not answer: outputs and positions are there or not, as one."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from bus.kafka import KafkaLog, KafkaSettings
from bus.kafka.watchdog import EXIT_STUCK
from bus.port import LogError, Record, TopicPartition
from schemas.topics import DESIGNATIONS, RAW
from tests.bus.engines import one_broker
from tests.support.kafka import brokers, cluster

ENDS_WITHIN_S = 60
FAILED = 1
COMMITS = """
import json, sys
from bus.kafka import KafkaLog, KafkaSettings
from bus.kafka.producers import TransactionalProducer
from bus.port import Record, TopicPartition
from schemas.topics import DESIGNATIONS, RAW

settings = json.loads(sys.argv[1])
log = KafkaLog(KafkaSettings(**settings | {"brokers": tuple(settings["brokers"])}))
phase = sys.argv[2]
call = getattr(TransactionalProducer, phase)

def when_told(producer, *arguments):
    print("here", flush=True)
    sys.stdin.readline()
    call(producer, *arguments)

setattr(TransactionalProducer, phase, when_told)
log.commit("g", {TopicPartition(RAW, 0): 1}, [Record(DESIGNATIONS, "r", "first", b"")])
"""


@pytest.mark.parametrize(
    "phase",
    ["begin_transaction", "send_offsets_to_transaction", "flush", "commit_transaction"],
)
def test_the_next_process_finds_a_commit_whole_or_not_at_all(phase: str) -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.",
                          commit_timeout_s=4.0, transaction_timeout_s=8.0)  # fmt: skip
    log, broker = KafkaLog(settings), cluster().brokers[0]
    log.append([Record(RAW, "r", "a", b"")])
    with commit_in_another_process(settings, phase) as process:
        broker.pause()
        try:
            process.communicate(b"\n", ENDS_WITHIN_S)
        finally:
            broker.resume()
    try:
        log.read("g", [RAW], 1, 0.0)  # which settles what the other left
        committed = log.committed("g")
        told = [stored.key for stored in log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10)]
        log.commit("g", {TopicPartition(RAW, 0): 1}, [Record(DESIGNATIONS, "r", "again", b"")])
        told_again = [stored.key for stored in log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10)]
    finally:
        log.close()
    assert process.returncode in {FAILED, EXIT_STUCK}
    assert told == (["first"] if committed else [])
    assert told_again == [*told, "again"]


def test_a_commit_that_is_not_answered_fails_in_time_and_is_settled_by_the_same_process() -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.",
                          commit_timeout_s=10.0, transaction_timeout_s=10.0)  # fmt: skip
    stuck: list[str] = []
    log, broker = KafkaLog(settings, on_stuck=stuck.append), cluster().brokers[0]
    try:
        log.append([Record(RAW, "r", name, b"") for name in "abc"])
        log.commit("g", {TopicPartition(RAW, 0): 1}, [Record(DESIGNATIONS, "r", "1", b"")])
        threads = threading.active_count()
        broker.pause()
        try:
            for _ in range(2):
                with pytest.raises(LogError, match=r"a commit of g|starting transactions of g"):
                    log.commit(
                        "g", {TopicPartition(RAW, 0): 2}, [Record(DESIGNATIONS, "r", "2", b"")]
                    )
        finally:
            broker.resume()
        log.read("g", [RAW], 1, 0.0)  # settles what was left
        reached = log.committed("g")[TopicPartition(RAW, 0)]
        told = [stored.key for stored in log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10)]
        assert (reached, told) in [(1, ["1"]), (2, ["1", "2"])]
        log.commit("g", {TopicPartition(RAW, 0): 3}, [Record(DESIGNATIONS, "r", "3", b"")])
        assert threading.active_count() <= threads + 2, "of the reader and of its scanner"
    finally:
        log.close()
    assert stuck == []


@contextmanager
def commit_in_another_process(
    settings: KafkaSettings, phase: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Stands before a phase of its commit until it reads a line."""
    command = [sys.executable, "-c", COMMITS, json.dumps(asdict(settings)), phase]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        try:
            yield process
        finally:
            process.kill()
