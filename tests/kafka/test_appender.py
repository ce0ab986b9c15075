"""Waiters are told in order whatever order the brokers answer in, and memory has a bound."""

from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from bus.kafka.appender import Appender, Wire
from bus.port import LogError


class Answer:
    """A future of the producer's, answered by the test."""

    def __init__(self) -> None:
        self.good: Callable[[Any], None]
        self.bad: Callable[[Exception], None]

    def add_callback(self, call: Callable[[Any], None]) -> None:
        self.good = call

    def add_errback(self, call: Callable[[Exception], None]) -> None:
        self.bad = call


class Producer:
    """Takes records; the test answers for the brokers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.refuses = False

    def send(self, *_: object, partition: int) -> Answer:
        assert partition == 0
        if self.refuses:
            raise KafkaTimeoutError
        self.answers.append(Answer())
        return self.answers[-1]

    def flush(self, timeout: float) -> None:
        assert timeout >= 0

    def close(self, timeout: float) -> None:
        assert timeout >= 0


class Told:
    """Who was told what, in order."""

    def __init__(self) -> None:
        self.order: list[tuple[str, LogError | None]] = []

    def waiter(self, name: str) -> Callable[[LogError | None], None]:
        return lambda error: self.order.append((name, error))

    def names(self) -> list[str]:
        return [name for name, _ in self.order]


RECORD = Wire("raw", b"v", None, [], 0)


def test_a_later_submission_that_is_whole_first_waits_for_the_earlier() -> None:
    producer, told = Producer(), Told()
    appender = Appender(lambda: producer, 1.0)
    appender.submit([RECORD, RECORD], 2, told.waiter("first"))
    appender.submit([RECORD], 1, told.waiter("second"))
    first_a, first_b, second = producer.answers
    second.good(None)
    first_a.good(None)
    assert told.names() == []
    first_b.good(None)
    assert told.order == [("first", None), ("second", None)]
    assert appender.waiting_bytes() == 0


def test_one_record_that_fails_fails_its_submission_only() -> None:
    producer, told = Producer(), Told()
    appender = Appender(lambda: producer, 1.0)
    appender.submit([RECORD, RECORD], 2, told.waiter("first"))
    appender.submit([RECORD], 1, told.waiter("second"))
    for answer in producer.answers[1:]:
        answer.good(None)
    producer.answers[0].bad(KafkaTimeoutError())
    assert told.names() == ["first", "second"]
    assert isinstance(told.order[0][1], LogError)
    assert told.order[1][1] is None


def test_a_record_that_cannot_be_sent_fails_its_submission_in_order() -> None:
    producer, told = Producer(), Told()
    appender = Appender(lambda: producer, 1.0)
    appender.submit([RECORD], 1, told.waiter("first"))
    producer.refuses = True
    appender.submit([RECORD], 1, told.waiter("second"))
    assert told.names() == []
    producer.answers[0].good(None)
    assert told.names() == ["first", "second"]
    assert isinstance(told.order[1][1], LogError)


def test_senders_are_refused_while_too_much_waits() -> None:
    producer, told = Producer(), Told()
    appender = Appender(lambda: producer, 1.0, max_waiting_bytes=10)
    appender.submit([RECORD], 100, told.waiter("one that is larger than the bound"))
    with pytest.raises(LogError, match="do not keep up"):
        appender.submit([RECORD], 1, told.waiter("refused"))
    producer.answers[0].good(None)
    appender.submit([RECORD], 1, told.waiter("again"))
    assert len(producer.answers) == 2


def test_an_empty_submission_is_told_after_those_before_it() -> None:
    producer, told = Producer(), Told()
    appender = Appender(lambda: producer, 1.0)
    appender.submit([RECORD], 1, told.waiter("first"))
    appender.submit([], 0, told.waiter("empty"))
    assert told.names() == []
    producer.answers[0].good(None)
    assert told.names() == ["first", "empty"]


def test_closing_answers_those_whom_the_brokers_did_not() -> None:
    producer, told = Producer(), Told()
    appender = Appender(lambda: producer, 0.0)
    appender.submit([RECORD, RECORD], 2, told.waiter("first"))
    appender.close()
    assert told.names() == ["first"]
    assert isinstance(told.order[0][1], LogError)
    producer.answers[0].good(None)  # an answer that comes late changes nothing
    assert told.names() == ["first"]
    with pytest.raises(LogError):
        appender.submit([RECORD], 1, told.waiter("late"))
