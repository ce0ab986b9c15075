"""Listeners who come back after a restart, on a broker: each missed notice was fetched by itself, a megabyte each."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence

import pytest

from bus.kafka import KafkaLog
from bus.port import Stored, TopicPartition
from schemas import topics
from tests.bus.engines import one_broker
from tests.support.kafka import brokers
from tests.wardbridge.test_http import OPEN, Surface, ids, notice, notices, stream
from wardbridge.readmodels import stream_events
from wardbridge.readmodels.history import BLOCK_OFFSETS

WARDS = [f"W{number}" for number in range(10)]
MISSED = 250


@pytest.fixture
def log() -> Iterator[KafkaLog]:
    opened = KafkaLog(one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=2))
    opened.append([notice(ward, n) for n in range(1, MISSED + 2) for ward in WARDS])
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "in_memory", [10, stream_events.RECENT_NOTICES], ids=["from the log", "from memory"]
)
def test_the_listeners_of_every_ward_catch_up_together(
    in_memory: int, log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_events, "RECENT_NOTICES", in_memory)
    read: list[int] = []
    scan = log.scan

    def scanned(at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        read.extend([offset] if limit == BLOCK_OFFSETS and at.topic == topics.DESIGNATIONS else [])
        return scan(at, offset, limit)

    async def check() -> None:
        running = Surface(log, OPEN, 256, 100, None, None, None)
        async with running.at_work(is_read=True):
            monkeypatch.setattr(log, "scan", scanned)

            async def catch_up(ward: str) -> list[tuple[str, str]]:
                async with stream(running, f"/v1/wards/{ward}/stream", after=1) as events:
                    return ids(await notices(events, MISSED))

            found = await asyncio.gather(*map(catch_up, WARDS))
            assert found == [[("message", str(n)) for n in range(2, MISSED + 2)]] * len(WARDS)

    asyncio.run(check())
    blocks = -(-len(WARDS) * (MISSED + 1) // BLOCK_OFFSETS) + 2  # of two partitions
    assert (read == []) if in_memory > MISSED * len(WARDS) else (0 < len(read) <= blocks)
