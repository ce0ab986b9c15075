"""Detects a partition in which a group stands still while records wait for it.

kafka-python releases have stopped returning the records of single partitions without any error, so
"no error" is no proof that a group goes on; positions and ends are.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bus.port import TopicPartition


class ProgressWatch:
    """Compares each look with the ones before; times are seconds of one clock."""

    def __init__(self, stalled_after_s: float) -> None:
        self._stalled_after_s = stalled_after_s
        self._behind_since: dict[TopicPartition, tuple[int, float]] = {}
        self._reported: frozenset[TopicPartition] = frozenset()

    def stalled(
        self,
        positions: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        now_s: float,
    ) -> frozenset[TopicPartition]:
        """Partitions that have been behind at one and the same offset for too long."""
        self._behind_since = {
            at: self._since(at, offset, now_s)
            for at, offset in positions.items()
            if offset < ends.get(at, offset)
        }
        found = frozenset(
            at
            for at, (_, since_s) in self._behind_since.items()
            if now_s - since_s >= self._stalled_after_s
        )
        for at in found - self._reported:
            structlog.get_logger().error(
                "partition_stalled", topic=at.topic, partition=at.partition
            )
        self._reported = found
        return found

    def _since(self, at: TopicPartition, offset: int, now_s: float) -> tuple[int, float]:
        known = self._behind_since.get(at)
        return known if known is not None and known[0] == offset else (offset, now_s)
