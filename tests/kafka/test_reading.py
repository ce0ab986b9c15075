"""A reading client that failed is replaced; one that tells of a loss is not to blame."""

import uuid
from collections.abc import Iterator

import pytest

from bus.kafka import KafkaLog
from bus.kafka.member import Member
from bus.port import Batch, LogError, PositionLostError, Record
from schemas.topics import RAW
from tests.bus.engines import one_broker
from tests.support.kafka import brokers

WAIT_S = 30.0


@pytest.fixture
def log() -> Iterator[KafkaLog]:
    opened = KafkaLog(one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}."))
    opened.append([Record(RAW, "r", "a", b"")])
    yield opened
    opened.close()


@pytest.mark.parametrize(("error", "clients"), [(LogError, 2), (PositionLostError, 1)])
def test_a_client_that_failed_is_not_asked_again(
    log: KafkaLog, error: type[LogError], clients: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[Member]()
    read = Member.read

    def failing(member: Member, limit: int, wait_s: float) -> Batch:
        asked.append(member)
        if len(asked) == 1:
            raise error("the first time")
        return read(member, limit, wait_s)

    monkeypatch.setattr(Member, "read", failing)
    with pytest.raises(error):
        log.read("g", [RAW], 10, WAIT_S)
    batch = log.read("g", [RAW], 10, WAIT_S)
    assert [stored.key for stored in batch.records] == ["a"]
    assert len({id(member) for member in asked}) == clients
