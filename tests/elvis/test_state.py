"""The state survives the log: what is loaded equals what was remembered."""

from __future__ import annotations

from pathlib import Path

from adapters.elvis import state as snapshot_state
from adapters.elvis.settings import ElvisSettings, Scope
from adapters.elvis.state import SnapshotState
from bus.memory import MemoryLog
from bus.port import Record, Stored, TopicPartition
from schemas import topics
from schemas.observation import Envelope
from schemas.topics import MAX_RECORD_BYTES
from tests.elvis.exports import FEED, File, Row, context, export
from tests.elvis.player import Player

ANNA = Row("B1", "2", "1", "200001012384", responsible="B1", mark="B2")
SETTINGS = ElvisSettings(
    directory=Path("inbox"),
    remember_files=3,
    scopes=(
        Scope(name="borås", hospital="SÄS Borås", wards=("B1", "B2")),
        Scope(name="skene", hospital="SÄS Skene", wards=("S1",)),
    ),
)


def _loaded(log: MemoryLog) -> SnapshotState:
    return snapshot_state.load(FEED.name, log.load(TopicPartition(topics.SNAPSHOTS, 0)))


def test_state_loaded_from_the_log_equals_the_state_in_memory() -> None:
    player, log = Player(context(SETTINGS)), MemoryLog()
    elsewhere = ANNA._replace(ward="S1")
    files = [
        export(0, ANNA, Row("B2", patient="?")),
        export(0, elsewhere, wards="S1", hospital="SÄS Skene"),
        export(15, ANNA, ANNA),
        export(14, ANNA),
        export(30),
        export(45, Row("B1", patient="TEST-9")),
        export(45, wards="S1", hospital="SÄS Skene"),
        *(
            one
            for minute in range(60, 360, 60)
            for one in (
                export(minute, Row("B1", patient="TEST-9")),
                export(minute, wards="S1", hospital="SÄS Skene"),
            )
        ),
    ]
    for file in files:
        log.commit("feed:elvis", {}, player.handle(file.payload(), file.at)[1])
        assert _loaded(log) == player.state
    assert player.state.ended
    assert len(player.state.files) == 3


def test_another_feeds_rows_are_passed_over() -> None:
    player = Player()
    records = player.handle(export(0, ANNA).payload(), export(0).at)[1]
    log = MemoryLog()
    log.commit("feed:other", {}, [record for record in records if record.topic == "snapshots"])
    rows = log.load(TopicPartition(topics.SNAPSHOTS, 0))
    assert snapshot_state.load("elvi", rows) == SnapshotState()


def test_a_row_kind_nobody_knows_is_passed_over() -> None:
    row = Stored("snapshots", 0, 0, "elvis|colour|red", b"{}", (), 0)
    assert snapshot_state.load("elvis", [row]) == SnapshotState()


def test_no_key_in_the_log_holds_a_patients_number() -> None:
    player = Player()
    _, records = player.handle(export(0, ANNA).payload(), export(0).at)
    assert not any("200001012384" in (record.key or "") for record in records)


def _many(count: int) -> list[Row]:
    longest = "Ö" * 100
    return [Row("B1", longest, longest, f"TEST-{number:06d}", "B1") for number in range(count)]


def test_a_big_snapshot_travels_in_several_envelopes_each_below_the_limit() -> None:
    player = Player()
    file: File = export(0, *_many(1000))
    handled, records = player.handle(file.payload(), file.at)
    envelopes = [record for record in records if record.topic == topics.OBSERVATIONS]
    assert [_sum(envelope) for envelope in envelopes] == [400, 400, 200]
    told = [Envelope.model_validate_json(one.value or b"") for one in envelopes]
    assert tuple(one for envelope in told for one in envelope.observations) == (
        handled.outcome.observations
    )
    assert max(len(record.value or b"") for record in records) < MAX_RECORD_BYTES


def _sum(envelope: Record) -> int:
    return len(Envelope.model_validate_json(envelope.value or b"").observations)
