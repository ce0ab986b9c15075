"""Waiters are told in order whatever order the brokers answer in; memory and patience end."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaTimeoutError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka import KafkaLog
from bus.kafka.appender import Appender, Wire
from bus.port import LogError, Record, TopicPartition
from schemas.topics import RAW
from tests.bus.engines import one_broker
from tests.support.kafka import alter_topic, brokers, cluster

NEVER_S = 3600
AT_ONCE_S = 0.001
TOLD_WITHIN_S = 10  # 3 s are allowed; this machine may be busy


class Answer:
    """A future of the producer's, answered by the test."""

    def __init__(self) -> None:
        self.good: Callable[[Any], None]
        self.bad: Callable[[Exception], None]

    def add_callback(self, call: Callable[[Any], None]) -> None:
        self.good = call

    def add_errback(self, call: Callable[[Exception], None]) -> None:
        self.bad = call


class State:
    """What is asked of a producer about itself."""

    broken = False

    def has_fatal_error(self) -> bool:
        return self.broken


class Producer:
    """Takes records; the test answers for the brokers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.refuses = False
        self.closed = threading.Event()
        self._transaction_manager = self.state = State()

    def gathering(self) -> AbstractContextManager[None]:
        return nullcontext()

    def send(self, *_: object, partition: int) -> Answer:
        assert partition == 0
        if self.refuses:
            raise KafkaTimeoutError
        self.answers.append(Answer())
        return self.answers[-1]

    def flush(self, timeout: float | None = None) -> None:
        assert timeout is not None

    def close(self, timeout: float) -> None:
        assert timeout >= 0
        self.closed.set()


class Told:
    """Who was told what, in order."""

    def __init__(self) -> None:
        self.order: list[tuple[str, LogError | None]] = []

    def waiter(self, name: str) -> Callable[[LogError | None], None]:
        return lambda error: self.order.append((name, error))

    def names(self) -> list[str]:
        return [name for name, _ in self.order]


RECORD = Wire("raw", b"v", None, [], 0)


class Opens(Protocol):
    def __call__(
        self, *producers: Producer, answer_within_s: float = NEVER_S, max_waiting_bytes: int = 1000
    ) -> Appender: ...


@pytest.fixture
def opened() -> Iterator[Opens]:
    """Appenders over the producers that are given, one after the other; none is had after them."""
    made = list[Appender]()

    def open_one(
        *producers: Producer, answer_within_s: float = NEVER_S, max_waiting_bytes: int = 1000
    ) -> Appender:
        coming = iter(producers)

        def make() -> Any:
            for producer in coming:
                return producer
            raise LogError("no broker")

        made.append(appender := Appender(make, answer_within_s, max_waiting_bytes))
        return appender

    yield open_one
    for each in made:
        each.close()


def test_a_later_submission_that_is_whole_first_waits_for_the_earlier(opened: Opens) -> None:
    producer, told = Producer(), Told()
    appender = opened(producer)
    appender.submit([RECORD, RECORD], 2, told.waiter("first"))
    appender.submit([RECORD], 1, told.waiter("second"))
    first_a, first_b, second = producer.answers
    second.good(None)
    first_a.good(None)
    assert told.names() == []
    first_b.good(None)
    assert told.order == [("first", None), ("second", None)]
    assert appender.waiting_bytes() == 0


def test_one_record_that_fails_fails_its_submission_only(opened: Opens) -> None:
    producer, told = Producer(), Told()
    appender = opened(producer)
    appender.submit([RECORD, RECORD], 2, told.waiter("first"))
    appender.submit([RECORD], 1, told.waiter("second"))
    for answer in producer.answers[1:]:
        answer.good(None)
    producer.answers[0].bad(KafkaTimeoutError())
    assert told.names() == ["first", "second"]
    assert isinstance(told.order[0][1], LogError)
    assert told.order[1][1] is None


def test_a_record_that_cannot_be_sent_fails_its_submission_in_order(opened: Opens) -> None:
    producer, told = Producer(), Told()
    appender = opened(producer)
    appender.submit([RECORD], 1, told.waiter("first"))
    producer.refuses = True
    appender.submit([RECORD], 1, told.waiter("second"))
    assert told.names() == []
    producer.answers[0].good(None)
    assert told.names() == ["first", "second"]
    assert isinstance(told.order[1][1], LogError)


def test_senders_are_refused_while_too_much_waits(opened: Opens) -> None:
    producer, told = Producer(), Told()
    appender = opened(producer, max_waiting_bytes=10)
    appender.submit([RECORD], 100, told.waiter("one that is larger than the bound"))
    with pytest.raises(LogError, match="do not keep up"):
        appender.submit([RECORD], 1, told.waiter("refused"))
    producer.answers[0].good(None)
    appender.submit([RECORD], 1, told.waiter("again"))
    assert len(producer.answers) == 2


def test_an_empty_submission_is_told_after_those_before_it(opened: Opens) -> None:
    producer, told = Producer(), Told()
    appender = opened(producer)
    appender.submit([RECORD], 1, told.waiter("first"))
    appender.submit([], 0, told.waiter("empty"))
    assert told.names() == []
    producer.answers[0].good(None)
    assert told.names() == ["first", "empty"]


def test_closing_answers_those_whom_the_brokers_did_not(opened: Opens) -> None:
    producer, told = Producer(), Told()
    appender = opened(producer)
    appender.submit([RECORD, RECORD], 2, told.waiter("first"))
    appender.close()
    assert told.names() == ["first"]
    assert isinstance(told.order[0][1], LogError)
    producer.answers[0].good(None)  # an answer that comes late changes nothing
    assert told.names() == ["first"]
    with pytest.raises(LogError):
        appender.submit([RECORD], 1, told.waiter("late"))


def test_what_is_overdue_is_told_and_another_producer_takes_over(opened: Opens) -> None:
    failing, next_one, told = Producer(), Producer(), Told()
    appender = opened(failing, next_one, answer_within_s=AT_ONCE_S)
    failed = threading.Event()
    appender.submit([RECORD], 1, lambda error: failed.set() if error else None)
    assert failed.wait(30)
    assert failing.closed.wait(30)
    failing.answers[0].good(None)  # late
    retried(lambda: appender.submit([RECORD], 1, told.waiter("second")))
    next_one.answers[0].good(None)
    assert told.order == [("second", None)]
    assert appender.waiting_bytes() == 0


def test_a_producer_that_fails_whatever_it_is_given_is_replaced(opened: Opens) -> None:
    failing, next_one, told = Producer(), Producer(), Told()
    appender = opened(failing, next_one)
    failing.state.broken = True
    with pytest.raises(LogError, match="refused what came before"):
        appender.submit([RECORD], 1, told.waiter("refused"))
    assert failing.closed.is_set()
    retried(lambda: appender.submit([RECORD], 1, told.waiter("second")))
    next_one.answers[0].good(None)
    assert told.order == [("second", None)]


@retry(
    retry=retry_if_exception_type(LogError), wait=wait_fixed(0.01), stop=stop_after_delay(180),
    reraise=True,
)  # fmt: skip
def retried(call: Callable[[], None]) -> None:
    """As a sender does that is refused: again."""
    call()


def test_who_comes_while_no_producer_is_to_be_had_is_refused_at_once(opened: Opens) -> None:
    producer = Producer()
    appender = opened(producer, answer_within_s=AT_ONCE_S)
    appender.submit([RECORD], 1, lambda _: None)
    assert producer.closed.wait(30)
    with pytest.raises(LogError, match="do not answer"):
        appender.submit([RECORD], 1, lambda _: None)


def test_a_broker_that_stops_answering_is_told_of_in_time_and_used_again_when_back() -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.",
                          delivery_timeout_s=2.0, connect_timeout_s=1.0)  # fmt: skip
    log, broker = KafkaLog(settings), cluster().brokers[0]
    try:
        log.append([Record(RAW, "r", "before", b"")])
        broker.pause()
        try:  # the client gives up the first, and left to itself never those after it
            waited_s = [_refused_after_s(log) for _ in range(3)]
        finally:
            broker.resume()
        retried(lambda: log.append([Record(RAW, "r", "after", b"")]))
        keys = [stored.key for stored in log.scan(TopicPartition(RAW, 0), 0, 10)]
    finally:
        clients = [each for each in threading.enumerate() if "network-thread" in each.name]
        log.close()
    for client in clients:  # the thread of the one that was thrown away too
        client.join(30)
    assert [client.name for client in clients if client.is_alive()] == []
    assert max(waited_s) < TOLD_WITHIN_S
    assert (keys[0], keys[-1]) == ("before", "after")


def test_a_record_that_the_broker_refuses_for_good_fails_itself_and_nothing_later() -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.")
    log, admin = KafkaLog(settings), KafkaAdminClient(bootstrap_servers=brokers())
    large = Record(RAW, "r", "large", b"x" * 1000)
    try:
        alter_topic(admin, settings.topic(RAW), "max.message.bytes", "100")
        with pytest.raises(LogError):
            log.append([large])
        alter_topic(admin, settings.topic(RAW), "max.message.bytes", "2000")
        retried(lambda: log.append([large]))
        assert [stored.key for stored in log.scan(TopicPartition(RAW, 0), 0, 10)] == ["large"]
    finally:
        admin.close()
        log.close()


def _refused_after_s(log: KafkaLog) -> float:
    began_s = time.monotonic()
    with pytest.raises(LogError):
        log.append([Record(RAW, "r", "during", b"")])
    return time.monotonic() - began_s
