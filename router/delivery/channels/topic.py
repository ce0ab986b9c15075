"""A Kafka topic of the subscriber's own: each notice is a record of it.

Format: CloudEvents 1.0.2 Kafka protocol binding, structured mode (section 3.3); the value is what a
webhook's body would be. Key and route are the ward, so that a ward's notices keep their order.

The topic has a log of its own: what brokers refuse fails whatever else goes through the same clients.
That log is opened for the first record, which makes the topic where it is not there, and anew after whatever
failed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from pydantic import Field

from bus.port import Log, LogError, Record, RecordTooLargeError
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.channels.kind import (
    ChannelContext,
    ChannelKind,
    ChannelSettings,
    Fault,
    Named,
    Opening,
    endpoint_of,
)
from router.delivery.channels.webhook import CONTENT_TYPE, body_of
from router.delivery.lanes import RetryTerms
from schemas.delivery import NOTICE_SCHEMA_ID, TEST_SCHEMA_ID, TestEvent
from schemas.door import Door
from schemas.topics import TOLD_DAYS, Topic, own_topic

_CLOSED: Final = "nothing more is written to the topic"
_ALLOWED: Final = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST: Final = 249  # in a name of Kafka's


class TopicSettings(ChannelSettings):
    """Notices are written to a Kafka topic of the subscriber's own, `told.<name>` behind the prefix, on the cluster of `[log.kafka]`."""

    keep_days: int = Field(
        TOLD_DAYS, ge=1, le=31, description="how long they are kept there: names may be in them"
    )
    concurrency: int = Field(4, ge=1, le=64, description="wards written for at one time")

    def door(self, subscriber: str) -> Door:
        """Who reads it, the brokers' rights say."""
        address = f"{own_topic(subscriber).name} on the log's brokers"
        asks = "as the brokers' rights say"
        return Door((), "notices in a topic of its own", "out", address, asks, "as [log.kafka]")

    def terms(self) -> RetryTerms:
        """How hard to try. A partition may be down by itself: that others are taken says nothing."""
        return replace(super().terms(), concurrency=self.concurrency, others_tell=False)


class OwnTopic:
    """One subscriber's. ``opened`` gives a log of the topic, made where it is not there; raises LogError."""

    one_at_a_time = False
    keeps_visits = False

    def __init__(self, subscriber: str, topic: Topic, opened: Callable[[Topic], Log]) -> None:
        self.endpoint = endpoint_of(f"kafka:{topic.name}")
        self._subscriber = subscriber
        self._topic = topic
        self._opened = opened
        self._log: Log | None = None
        self._is_closed = False
        self._opening = asyncio.Lock()

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """Make one attempt; how long it may take is the log's to say."""
        ward, body = outgoing.notice.subject, body_of(self._subscriber, outgoing)
        return await self._attempt(ward, ward, body, NOTICE_SCHEMA_ID)

    async def test(self, number: str, at: datetime) -> AttemptResult:
        """The same with an event about nobody, which has no key."""
        event = TestEvent(id=number, time=at, subscription=self._subscriber)
        return await self._attempt(number, None, event.model_dump_json().encode(), TEST_SCHEMA_ID)

    async def close(self) -> None:
        """Let go of the log; what is not in it yet has failed."""
        self._is_closed = True
        async with self._opening:
            log, self._log = self._log, None
        if log is not None:
            await asyncio.to_thread(log.close)

    async def _attempt(
        self, route: str, key: str | None, body: bytes, schema: str
    ) -> AttemptResult:
        headers = (("content-type", CONTENT_TYPE.encode()), ("schema-id", schema.encode()))
        record = Record(self._topic.name, route, key, body, headers)
        log = None
        try:
            log = await self._its_log()
            await _appended(log, record)
        except RecordTooLargeError as error:
            return AttemptResult(str(error), unwanted=True)
        except LogError as error:
            if log is not None:
                await self._drop(log)
            return AttemptResult(str(error))
        return AttemptResult()

    async def _its_log(self) -> Log:
        async with self._opening:
            if self._is_closed:
                raise LogError(_CLOSED)
            if self._log is None:
                self._log = await asyncio.to_thread(self._opened, self._topic)
            return self._log

    async def _drop(self, failed: Log) -> None:
        if self._log is failed:
            self._log = None
            await asyncio.to_thread(failed.close)


async def _appended(log: Log, record: Record) -> None:
    """Return once it is durable. Raises LogError."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: LogError | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def tell_in_loop(error: LogError | None) -> None:
        loop.call_soon_threadsafe(tell, error)

    log.submit([record], tell_in_loop)
    await done


def _open(settings: TopicSettings, opening: Opening) -> OwnTopic:
    if opening.open_topic is None:
        raise ValueError("a topic of its own needs the log on Kafka")
    topic = own_topic(opening.subscriber, settings.keep_days)
    return OwnTopic(opening.subscriber, topic, opening.open_topic)


def _faults(named: Named[TopicSettings], around: ChannelContext) -> Iterator[Fault]:
    """Those that no broker would make, or that would be somebody else's."""
    taken: dict[str, str] = {}
    for name, settings in named.items():
        topic = own_topic(name, settings.keep_days)
        if around.prefix is None:
            yield name, KIND.name, (
                'a topic of its own is on the cluster of the log: needs [log] engine = "kafka"; '
                "with the log in a file choose another channel"
            )  # fmt: skip
        elif not _ALLOWED.fullmatch(name) or len(around.prefix + topic.name) > _LONGEST:
            yield name, None, (
                "the name is part of a topic's: letters of a to z, digits, '-', '_' and '.', with "
                f"prefix and `told.` {_LONGEST} at most"
            )  # fmt: skip
        elif (other := taken.setdefault(name.replace(".", "_"), name)) != name:
            text = f"its topic and that of {other!r} cannot both be: to Kafka '.' is as '_'"
            yield name, None, text


KIND: Final = ChannelKind(
    name="kafka",
    about="a Kafka topic of its own",
    settings=TopicSettings,
    open=_open,
    faults=_faults,
)
