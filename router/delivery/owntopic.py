"""A Kafka topic of the subscriber's own: each notice is a record of it.

Format: CloudEvents 1.0.2 Kafka protocol binding, structured mode (section 3.3); the value is what a
webhook's body would be. Key and route are the ward, so that a ward's notices keep their order.

The topic has a log of its own: what brokers refuse fails whatever else goes through the same clients.
That log is opened for the first record, and anew after whatever failed.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from bus.port import Log, LogError, Record, RecordTooLargeError
from router.delivery.channel import Answer, Outgoing
from router.delivery.webhook import CONTENT_TYPE, body_of
from schemas.delivery import NOTICE_SCHEMA_ID, TEST_SCHEMA_ID, TestEvent
from schemas.topics import Topic

ENDPOINT_DIGITS: Final = 16
_CLOSED: Final = "nothing more is written to the topic"


class OwnTopic:
    """One subscriber's. ``opened`` gives a log of the topic, made where it is not there; raises LogError."""

    one_at_a_time = False
    keeps_visits = False

    def __init__(
        self, subscriber: str, topic: Topic, opened: Callable[[Topic], Log], concurrency: int = 4
    ) -> None:
        self.endpoint = hashlib.sha256(f"kafka:{topic.name}".encode()).hexdigest()[:ENDPOINT_DIGITS]
        self._subscriber = subscriber
        self._topic = topic
        self._opened = opened
        self._log: Log | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(concurrency, f"topic-{subscriber}")

    async def send(self, outgoing: Outgoing) -> Answer:
        """Make one attempt; how long it may take is the log's to say."""
        ward, body = outgoing.notice.subject, body_of(self._subscriber, outgoing)
        return await self._attempt(ward, ward, body, NOTICE_SCHEMA_ID)

    async def test(self, number: str, at: datetime) -> Answer:
        """The same with an event about nobody, which has no key."""
        event = TestEvent(id=number, time=at, subscription=self._subscriber)
        return await self._attempt(number, None, event.model_dump_json().encode(), TEST_SCHEMA_ID)

    async def close(self) -> None:
        """Let go of the log; what is not in it yet has failed."""
        await asyncio.to_thread(self._end)

    async def _attempt(self, route: str, key: str | None, body: bytes, schema: str) -> Answer:
        headers = (("content-type", CONTENT_TYPE.encode()), ("schema-id", schema.encode()))
        record = Record(self._topic.name, route, key, body, headers)
        if self._is_closed:
            return Answer(_CLOSED)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._append, record)
        except RecordTooLargeError as error:
            return Answer(str(error), unwanted=True)
        except LogError as error:
            return Answer(str(error))
        return Answer()

    def _append(self, record: Record) -> None:
        with self._lock:
            if self._is_closed:
                raise LogError(_CLOSED)
            log = self._log = self._log or self._opened(self._topic)
        try:
            log.append([record])
        except RecordTooLargeError:
            raise
        except LogError:
            self._drop(log)
            raise

    def _drop(self, failed: Log) -> None:
        with self._lock:
            if self._log is failed:
                self._log = None
        failed.close()

    def _end(self) -> None:
        self._is_closed = True  # before the lock, which is held while a log is opened
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            log, self._log = self._log, None
        if log is not None:
            log.close()
