"""A feed on a real directory and the log in memory, with clocks moved by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from adapters.elvis.archive import Archive
from adapters.elvis.feed import ElvisDirectoryFeed
from adapters.elvis.inbox import Inbox
from adapters.elvis.settings import ElvisSettings, Watching
from bus.memory import MemoryLog
from bus.port import LogError, Record, TopicPartition
from schemas.observation import Envelope
from schemas.ward import WardRegister
from tests.elvis.exports import FEED, KEYER, NOON, File


class Clocks:
    """Wall clock and monotonic clock, moved by hand together."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(hours=12, seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s


class FailingLog(MemoryLog):
    """Refuses commits while ``error`` is set; ``kept`` ones take effect all the same."""

    error: LogError | None = None
    takes_effect = False
    after_commit: Callable[[], None] | None = None

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        if self.error is None or self.takes_effect:
            super().commit(group, positions, records)
        if self.error is not None:
            raise self.error
        if self.after_commit is not None:
            then, self.after_commit = self.after_commit, None
            then()


class Ward:
    """A feed on a directory, with everything at hand."""

    def __init__(
        self,
        directory: Path,
        watching: Watching | None = None,
        settings: ElvisSettings | None = None,
    ) -> None:
        self.directory = directory
        self.clocks = Clocks()
        self.log = FailingLog()
        self.settings = settings or ElvisSettings(
            directory=directory, watching=watching or Watching()
        )
        Inbox(directory, self.settings.watching).prepare()
        Archive(directory).prepare()
        self.feed = self.new_feed()

    def new_feed(self) -> ElvisDirectoryFeed:
        register = WardRegister(open_register=True)
        return ElvisDirectoryFeed(
            FEED,
            self.settings,
            register,
            KEYER,
            self.log,
            self.clocks.now,
            self.clocks.monotonic,
        )

    def put(self, name: str, file: File) -> Path:
        path = self.directory / name
        path.write_bytes(file.payload())
        return self.dated(path)

    def cut(self, name: str, file: File) -> Path:
        path = self.directory / name
        path.write_bytes(file.payload()[:-10])
        return self.dated(path)

    def dated(self, path: Path) -> Path:
        changed_s = self.clocks.now().timestamp()
        os.utime(path, (changed_s, changed_s))
        return path

    def look_until_stable(self) -> None:
        for _ in range(2):
            self.feed.look()
            self.clocks.passed_s += 1.0
        self.feed.look()

    def blocking(self) -> str | None:
        return self.feed.blocking()

    def names(self, folder: str = ".") -> list[str]:
        found = (path for path in (self.directory / folder).iterdir() if path.is_file())
        return sorted(path.name.split("-", 1)[-1] for path in found)

    def values(self, topic: str) -> list[bytes]:
        stored = self.log.scan(TopicPartition(topic, 0), 0, 1000)
        return [record.value or b"" for record in stored]

    def observed(self) -> list[str]:
        envelopes = [Envelope.model_validate_json(value) for value in self.values("observations")]
        return [
            f"{one.patient.identifiers[0].value} {one.what}"
            for envelope in envelopes
            for one in envelope.observations
        ]
