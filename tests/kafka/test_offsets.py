"""Positions of a group, asked of whichever broker coordinates it now."""

from __future__ import annotations

import uuid
from contextlib import closing

import pytest
from kafka.protocol.metadata import CoordinatorType

from bus.kafka import KafkaLog
from bus.port import LogError, Record, TopicPartition
from schemas.topics import RAW
from tests.bus.engines import one_broker
from tests.support.kafka import brokers

SOMEBODY_ELSE = 99


def test_a_group_is_found_again_after_its_coordinator_has_moved() -> None:
    """The client's memory of it is what goes stale when another broker takes over."""
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.")
    name = settings.group("g")
    with closing(KafkaLog(settings)) as log:
        log.append([Record(RAW, "r", None, b"")])
        log.commit("g", {TopicPartition(RAW, 0): 1}, ())
        log.read("g", [RAW], 1, 0.0)  # which waits until the commit shows itself
        assert log._lookup.committed("g") == {TopicPartition(RAW, 0): 1}
        known = log._admin._manager.cluster._coordinators
        assert (CoordinatorType.GROUP, name) in known, "remembered"
        known[CoordinatorType.GROUP, name] = SOMEBODY_ELSE
        with pytest.raises(LogError, match="asking the brokers for a group's positions"):
            log._lookup.committed("g")  # told once that no such broker is there
        assert log._lookup.committed("g") == {TopicPartition(RAW, 0): 1}
