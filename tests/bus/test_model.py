"""Any sequence of calls, restarts included, against a model of plain lists."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bus.memory import MemoryLog
from bus.port import Log, Record, TopicPartition
from bus.sqlite import SqliteLog
from schemas.topics import RAW, STATE

PARTITIONS = 2
ROUTES = st.sampled_from(["a", "b", "c", "d"])
KEYS = st.sampled_from(["k1", "k2", "k3"])
VALUES = st.one_of(st.none(), st.binary(max_size=8))
GROUPS = st.sampled_from(["g1", "g2"])


class LogModel(RuleBasedStateMachine):
    """The model: a list per partition, a dict of newest values, positions as counts."""

    def __init__(self) -> None:
        super().__init__()
        self.log = self.open()
        self.lists: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
        self.newest: dict[int, dict[str, bytes]] = {p: {} for p in range(PARTITIONS)}
        self.committed: dict[str, dict[int, int]] = {"g1": {}, "g2": {}}
        self.read_to: dict[str, dict[int, int]] = {"g1": {}, "g2": {}}

    def open(self) -> Log:
        raise NotImplementedError

    def write(self, route: str, values: list[bytes], rows: dict[str, bytes | None]) -> list[Record]:
        records = [Record(RAW, route, None, value) for value in values]
        records += [Record(STATE, route, key, value) for key, value in rows.items()]
        partition = self.log.partition_of(RAW, route)
        self.lists[partition] += values
        self.newest[partition] |= {k: v for k, v in rows.items() if v is not None}
        for key in (k for k, v in rows.items() if v is None):
            self.newest[partition].pop(key, None)
        return records

    @rule(
        route=ROUTES,
        values=st.lists(st.binary(max_size=8), max_size=3),
        rows=st.dictionaries(KEYS, VALUES),
    )
    def append(self, route: str, values: list[bytes], rows: dict[str, bytes | None]) -> None:
        self.log.append(self.write(route, values, rows))

    @rule(group=GROUPS, limit=st.integers(1, 4))
    def read(self, group: str, limit: int) -> None:
        batch = self.log.read(group, [RAW], limit, 0.0)
        before = self.read_to[group]
        for partition in range(PARTITIONS):
            values = [s.value for s in batch.records if s.partition == partition]
            start = before.get(partition, 0)
            assert values == self.lists[partition][start : start + len(values)]
            before[partition] = start + len(values)
        waiting = sum(len(v) - before.get(p, 0) for p, v in self.lists.items())
        assert len(batch.records) == limit or waiting == 0

    @rule(group=GROUPS, route=ROUTES, rows=st.dictionaries(KEYS, VALUES))
    def read_and_commit(self, group: str, route: str, rows: dict[str, bytes | None]) -> None:
        batch = self.log.read(group, [RAW], 100, 0.0)
        for stored in batch.records:
            self.read_to[group][stored.partition] = stored.offset + 1
        self.log.commit(group, batch.positions, self.write(route, [], rows))
        moved = {at.partition for at in batch.positions}
        self.committed[group] |= {p: self.read_to[group].get(p, 0) for p in moved}

    @rule(group=GROUPS)
    def rewind(self, group: str) -> None:
        self.log.rewind(group)
        self.read_to[group] = dict(self.committed[group])

    @rule()
    def restart(self) -> None:
        self.log = self.reopen()
        self.read_to = {group: dict(at) for group, at in self.committed.items()}

    def reopen(self) -> Log:
        for group in ("g1", "g2"):
            self.log.rewind(group)
        return self.log

    @invariant()
    def newest_values_agree(self) -> None:
        for partition, expected in self.newest.items():
            loaded = {s.key: s.value for s in self.log.load(TopicPartition(STATE, partition))}
            assert loaded == expected

    def teardown(self) -> None:
        self.log.close()


class MemoryModel(LogModel):
    def open(self) -> Log:
        return MemoryLog(PARTITIONS)


class SqliteModel(LogModel):
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        super().__init__()

    def open(self) -> Log:
        return SqliteLog.open(Path(self.folder.name) / "log.db", partitions=PARTITIONS)

    def reopen(self) -> Log:
        self.log.close()
        return self.open()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestMemoryModel = MemoryModel.TestCase
TestSqliteModel = SqliteModel.TestCase
TestSqliteModel.settings = settings(max_examples=25, stateful_step_count=20)
