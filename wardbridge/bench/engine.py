"""The engine that is measured: a file in a folder, or a cluster under a prefix of its own."""

from __future__ import annotations

import uuid
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from bus.port import Log
from wardbridge.config.load import load
from wardbridge.logstore.log import open_log

COPIES: Final = 3


class Engine(NamedTuple):
    """Where the log is: ``brokers`` as ``host:port``, none for SQLite."""

    brokers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As a figure names it."""
        if not self.brokers:
            return "SQLite"
        count = len(self.brokers)
        return "Kafka, one broker" if count == 1 else f"Kafka, {count} brokers"

    def configuration(self, folder: Path, more: str = "") -> Path:
        """The lab with an empty log on this engine, and ``more`` tables."""
        text = (files("wardbridge.bench") / "bench.toml").read_text(encoding="utf-8")
        config = folder / "bench.toml"
        config.write_text(text + (self._tables() if self.brokers else "") + more, encoding="utf-8")
        return config

    def open(self, folder: Path) -> Log:
        """Such a log by itself."""
        return open_log(load(self.configuration(folder), folder))

    def _tables(self) -> str:
        copies = min(COPIES, len(self.brokers))
        return (
            f'\n[log]\nengine = "kafka"\n\n[log.kafka]\nbrokers = "{",".join(self.brokers)}"\n'
            f'prefix = "bench-{uuid.uuid4().hex[:8]}."\n'
            f"replication = {copies}\nmin_insync = {max(1, copies - 1)}\n"
        )
