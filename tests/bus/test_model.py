"""Any sequence of calls, restarts included, against a model of plain lists."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bus.port import PositionLostError, Record, TopicPartition
from schemas.topics import RAW, STATE
from tests.bus.engines import Engine, KafkaEngine, MemoryEngine, SqliteEngine

PARTITIONS = 2
Rows = list[tuple[str, bytes | None]]

ROUTES = st.sampled_from(["a", "b", "c", "d"])
KEYS = st.sampled_from(["k1", "k2", "k3"])
ROWS = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.binary(max_size=8))), max_size=4)
GROUPS = st.sampled_from(["g1", "g2"])


class LogModel(RuleBasedStateMachine):
    """The model: all values of each partition, how many retention removed, newest values."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.log = self.engine(PARTITIONS)
        self.values: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
        self.removed: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)
        self.newest: dict[int, dict[str, bytes]] = {p: {} for p in range(PARTITIONS)}
        self.committed: dict[str, dict[int, int]] = {"g1": {}, "g2": {}}
        self.cursor: dict[str, dict[int, int]] = {"g1": {}, "g2": {}}

    def written(self, route: str, values: list[bytes], rows: Rows) -> list[Record]:
        records = [Record(RAW, route, None, value) for value in values]
        records += [Record(STATE, route, key, value) for key, value in rows]
        partition = self.log.partition_of(RAW, route)
        self.values[partition] += values
        for key, value in rows:
            self.newest[partition].pop(key, None)
            if value is not None:
                self.newest[partition][key] = value
        return records

    def is_lost(self, group: str) -> bool:
        return any(offset < self.removed[p] for p, offset in self.cursor[group].items())

    @rule(route=ROUTES, values=st.lists(st.binary(max_size=8), max_size=3), rows=ROWS)
    def append(self, route: str, values: list[bytes], rows: Rows) -> None:
        self.log.append(self.written(route, values, rows))

    @rule(group=GROUPS, limit=st.integers(1, 4))
    def read(self, group: str, limit: int) -> None:
        if self.is_lost(group):
            self.assert_lost(group, limit)
            return
        batch = self.log.read(group, [RAW], limit, 0.0)
        cursor = self.cursor[group]
        for partition in range(PARTITIONS):
            found = [s.value for s in batch.records if s.partition == partition]
            start = cursor.get(partition, self.removed[partition])
            assert found == self.values[partition][start : start + len(found)]
            cursor[partition] = start + len(found)
        waiting = sum(len(values) - cursor[p] for p, values in self.values.items())
        assert len(batch.records) == limit or waiting == 0

    def read_all(self, group: str) -> dict[TopicPartition, int]:
        """Read to the end; the positions to commit. One read is enough but where a client fetches ahead."""
        positions: dict[TopicPartition, int] = {}
        while True:
            batch = self.log.read(group, [RAW], 100, 0.0)
            positions |= batch.positions
            if not batch.records:
                return positions

    def assert_lost(self, group: str, limit: int) -> None:
        # Noticed when there is something to read; a cursor at the very end of what went is harmless
        behind = any(
            offset < self.removed[p] and offset < len(self.values[p])
            for p, offset in self.cursor[group].items()
        )
        if behind:
            with pytest.raises(PositionLostError):
                self.log.read(group, [RAW], limit, 0.0)

    @rule(group=GROUPS, route=ROUTES, rows=ROWS)
    def read_and_commit(self, group: str, route: str, rows: Rows) -> None:
        if self.is_lost(group):
            return
        positions = self.read_all(group)
        for partition in range(PARTITIONS):
            self.cursor[group][partition] = len(self.values[partition])
        self.log.commit(group, positions, self.written(route, [], rows))
        for at in positions:
            self.committed[group][at.partition] = self.cursor[group][at.partition]

    @rule(group=GROUPS)
    def rewind(self, group: str) -> None:
        self.log.rewind(group)
        self.cursor[group] = dict(self.committed[group])

    @rule()
    def restart(self) -> None:
        self.log = self.engine.reopen(self.log)
        self.cursor = {group: dict(at) for group, at in self.committed.items()}

    @rule()
    def retention_passes(self) -> None:
        self.engine.expire(self.log, RAW)
        self.removed = {partition: len(values) for partition, values in self.values.items()}

    @rule(group=GROUPS)
    def give_up_what_is_lost(self, group: str) -> None:
        kept = {p: max(at, self.removed[p]) for p, at in self.committed[group].items()}
        self.log.commit(group, {TopicPartition(RAW, p): at for p, at in kept.items()}, [])
        self.committed[group] = kept
        self.rewind(group)

    @invariant()
    def newest_values_agree(self) -> None:
        for partition, expected in self.newest.items():
            loaded = {s.key: s.value for s in self.log.load(TopicPartition(STATE, partition))}
            assert loaded == expected

    @invariant()
    def what_is_kept_agrees(self) -> None:
        assert self.log.starts(RAW) == self.removed
        assert self.log.ends(RAW) == {p: len(values) for p, values in self.values.items()}
        for partition, values in self.values.items():
            start = self.removed[partition]
            found = self.log.scan(TopicPartition(RAW, partition), start, 1000)
            assert [s.value for s in found] == values[start:]

    @invariant()
    def positions_agree(self) -> None:
        for group, expected in self.committed.items():
            found = {at.partition: offset for at, offset in self.log.committed(group).items()}
            assert found == expected

    def teardown(self) -> None:
        self.engine.close()


class MemoryModel(LogModel):
    def __init__(self) -> None:
        self.engine = MemoryEngine(Path())
        super().__init__()


class SqliteModel(LogModel):
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.engine = SqliteEngine(Path(self.folder.name))
        super().__init__()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class KafkaModel(LogModel):
    """Its client fetches ahead: what it holds it gives first, also when retention removed it since."""

    def __init__(self) -> None:
        self.engine = KafkaEngine(Path(), (RAW, STATE))
        super().__init__()

    @rule(group=GROUPS, limit=st.integers(1, 4))
    def read(self, group: str, limit: int) -> None:
        cursor = self.cursor[group]
        for partition in range(PARTITIONS):
            cursor.setdefault(partition, self.removed[partition])
        try:
            batch = self.log.read(group, [RAW], limit, 0.0)
        except PositionLostError:
            assert self.is_lost(group)
            return
        assert batch.records or all(cursor[p] >= len(v) for p, v in self.values.items())
        for partition, values in self.values.items():
            found = [stored for stored in batch.records if stored.partition == partition]
            for number, stored in enumerate(found):
                assert stored.offset == found[0].offset + number
                assert stored.value == values[stored.offset]
            if found:
                assert found[0].offset in {cursor[partition], self.removed[partition]}
                cursor[partition] = found[-1].offset + 1


TestMemoryModel = MemoryModel.TestCase
TestSqliteModel = SqliteModel.TestCase
TestKafkaModel = KafkaModel.TestCase
# A call takes a broker milliseconds, and a restart more: fewer histories, the rest is a campaign's.
TestKafkaModel.settings = settings(
    max_examples=max(3, settings().max_examples // 20), stateful_step_count=15
)
