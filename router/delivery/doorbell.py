"""Wakes the senders of a process, each for its own notices: one thread looks at the queue for all.

Otherwise a notice for one subscriber would wake the thread of every other, to find nothing.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Final

from bus.port import Log, LogError, PositionLostError, TopicPartition
from schemas import topics

LOOK_RECORDS: Final = 1_000
WAIT_S: Final = 0.5  # how long `stop` may have to wait


class Doorbell:
    """:meth:`run` belongs in a thread of its own."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._bells: defaultdict[str, threading.Event] = defaultdict(_ringing)
        self._next: dict[TopicPartition, int] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def of(self, subscriber: str) -> threading.Event:
        """Set whenever there may be something for it; at first too."""
        with self._lock:
            return self._bells[subscriber]

    def run(self) -> None:
        """Ring until :meth:`stop`. While the log does not say, everybody may look."""
        while not self._stopping.is_set():
            try:
                self._log.wait([topics.OUTGOING], self._next, WAIT_S)
                self._ring(self._for_whom())
            except LogError:
                self._ring(self._everybody())
                self._stopping.wait(WAIT_S)

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._stopping.set()

    def _ring(self, names: set[str]) -> None:
        for name in names & self._everybody():
            self.of(name).set()

    def _everybody(self) -> set[str]:
        with self._lock:
            return set(self._bells)

    def _for_whom(self) -> set[str]:
        """Whose notices came since the last look."""
        names: set[str] = set()
        for partition in range(self._log.partitions(topics.OUTGOING)):
            at = TopicPartition(topics.OUTGOING, partition)
            if at not in self._next:  # the bells ring at first anyhow
                self._next[at] = self._log.ends(topics.OUTGOING)[partition]
            names |= self._looked_at(at)
        return names

    def _looked_at(self, at: TopicPartition) -> set[str]:
        try:
            found = self._log.scan(at, self._next[at], LOOK_RECORDS)
        except PositionLostError:
            del self._next[at]
            return self._everybody()
        if found:
            self._next[at] = found[-1].offset + 1
        return {stored.key for stored in found if stored.key is not None}


def _ringing() -> threading.Event:
    bell = threading.Event()
    bell.set()
    return bell
