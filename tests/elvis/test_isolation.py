"""What fails at one export costs that export, never those behind it; and it is said."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.elvis import handle
from adapters.elvis.feed import SILENT_S, STOP_WITHIN_S
from adapters.elvis.inbox import Inbox
from adapters.elvis.settings import ElvisSettings
from bus.port import Record, RecordTooLargeError, TopicPartition
from schemas import topics
from schemas.observation import Envelope
from schemas.review import ReviewItem
from tests.elvis.exports import Row, export
from tests.elvis.ward import FailingLog, Ward

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2")


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path / "inbox")


def _reasons(ward: Ward) -> list[str]:
    return [ReviewItem.model_validate_json(value).reason for value in ward.values("review")]


class LimitedLog(FailingLog):
    """A topic takes no record larger than this."""

    def __init__(self, topic: str, most_bytes: int) -> None:
        super().__init__()
        self._topic, self._most_bytes = topic, most_bytes

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        for record in records:
            if record.topic == self._topic and len(record.value or b"") > self._most_bytes:
                raise RecordTooLargeError(f"topic {record.topic} takes {self._most_bytes} bytes")
        super().commit(group, positions, records)


def test_an_export_that_the_log_does_not_take_is_refused_for_itself(ward: Ward) -> None:
    ward.log = LimitedLog(topics.OBSERVATIONS, 3_000)
    ward.feed = ward.new_feed()
    crowd = [Row("B1", "x" * 90, str(bed), f"TEST-{bed:03d}") for bed in range(50)]
    ward.put("a.csv", export(0, *crowd))
    ward.put("b.csv", export(15, ANNA))
    ward.look_until_stable()
    assert (_reasons(ward), ward.observed()) == (["export-too-large"], ["TEST-001 described"])
    assert (ward.names("rejected")[0], ward.names(), ward.blocking()) == ("a.csv", [], None)


def test_where_the_log_takes_no_snapshot_rows_every_export_is_refused_and_none_waits(
    ward: Ward,
) -> None:
    ward.log = LimitedLog(topics.SNAPSHOTS, 200)
    ward.feed = ward.new_feed()
    for minute in range(3):
        ward.put(f"{minute}.csv", export(minute, ANNA))
    ward.look_until_stable()
    assert (_reasons(ward), ward.names()) == (["export-too-large"] * 3, [])
    assert ward.feed.trouble() == "exports are refused: export-too-large"


def test_an_export_at_which_this_program_fails_is_left_aside(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.put("b.csv", export(15, ANNA, BO))
    with monkeypatch.context() as faulty:
        faulty.setattr("adapters.elvis.taking.prepare", _fails_at(0))
        ward.look_until_stable()
        assert ward.observed() == ["TEST-001 described", "TEST-002 described"]
        assert (ward.names(), ward.names("done")) == (["a.csv"], ["b.csv"])
        assert ward.feed.trouble() == "exports are left aside: this program fails at them"
        assert ward.feed.figures.files_failed >= 1
    ward.clocks.passed_s += 120.0
    ward.look_until_stable()
    assert (ward.names("rejected"), ward.names()) == (["a.csv", "a.csv.reason.json"], [])
    assert _reasons(ward) == ["older-than-last"]


def _fails_at(minute: int) -> object:
    at = export(minute).at
    prepare = handle.prepare

    def prepared(state: object, file: handle.IncomingFile, context: object) -> object:
        if getattr(file.parsed, "exported_at", None) == at:
            raise ZeroDivisionError
        return prepare(state, file, context)  # type: ignore[arg-type]

    return prepared


def test_tries_at_a_file_that_fails_are_spaced_out(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, ANNA))
    monkeypatch.setattr("adapters.elvis.taking.prepare", _fails_at(0))
    for _ in range(100):
        ward.feed.look()
        ward.clocks.passed_s += 1.0
    assert ward.feed.figures.files_failed == 7


def test_an_export_of_which_no_record_can_be_made_is_refused(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, ANNA))
    with monkeypatch.context() as faulty:
        faulty.setattr("adapters.elvis.handle.envelope_record", _fault)
        ward.look_until_stable()
    assert _reasons(ward) == ["internal-error"]
    assert ward.names("rejected") == ["a.csv", "a.csv.reason.json"]


def _fault(*_: object) -> object:
    return 1 / 0


def test_a_refused_export_is_trouble_until_its_hospital_is_accepted(ward: Ward) -> None:
    ward.put("a.csv", export(0, ANNA)._replace(counted=7))
    ward.look_until_stable()
    assert ward.feed.trouble() == "exports are refused: count-differs"
    ward.put("b.csv", export(15, ANNA))
    ward.look_until_stable()
    assert ward.feed.trouble() is None
    ward.put("c.csv", export(20, BO)._replace(rows=[BO]))
    ward.look_until_stable()
    assert ward.feed.trouble() == "exports are refused: ward-without-rows"
    ward.put("d.csv", export(20, BO, wards="S1", hospital="Skene"))
    ward.look_until_stable()
    assert ward.feed.trouble() == "exports are refused: ward-without-rows"
    ward.put("e.csv", export(30, BO))
    ward.look_until_stable()
    assert ward.feed.trouble() is None


def test_a_late_export_is_no_trouble_and_late_ones_only_are(ward: Ward) -> None:
    ward.put("a.csv", export(30, ANNA))
    ward.look_until_stable()
    for minute in range(3):
        assert ward.feed.trouble() is None
        ward.put(f"{minute}.csv", export(minute, BO))
        ward.look_until_stable()
    assert ward.feed.trouble() == "exports are refused: older-than-last"
    assert _reasons(ward) == ["older-than-last"] * 3


TWO_SCOPES = """
directory = "inbox"
[[scopes]]
name = "boras"
hospital = "SÄS Borås"
wards = ["B1", "B2"]
export_interval_s = 900
[[scopes]]
name = "skene"
hospital = "SÄS Skene"
wards = ["S1"]
export_interval_s = 900
"""


def test_a_scope_that_exports_no_more_is_trouble_for_it_keeps_visits_open(tmp_path: Path) -> None:
    table = tomllib.loads(TWO_SCOPES) | {"directory": tmp_path / "inbox"}
    ward = Ward(tmp_path / "inbox", settings=ElvisSettings.model_validate(table))
    ward.put("a.csv", export(12 * 60, ANNA))
    ward.put("b.csv", export(12 * 60, wards="S1", hospital="SÄS Skene"))
    ward.look_until_stable()
    assert ward.feed.trouble() is None
    ward.clocks.passed_s += 2_000
    ward.put("c.csv", export(12 * 60 + 30, ANNA))
    blurred = Row("S1", "1", "1", "?")
    ward.put("d.csv", export(12 * 60 + 30, blurred, wards="S1", hospital="SÄS Skene"))
    ward.look_until_stable()
    assert ward.feed.trouble() is None
    for feed in (ward.feed, ward.new_feed()):  # also after a restart
        ward.feed = feed
        ward.clocks.passed_s += 700
        ward.look_until_stable()
        assert "no whole export of scope 'skene'" in (ward.feed.trouble() or "")
        assert "'boras'" not in (ward.feed.trouble() or "")


def test_a_share_that_hangs_shows_and_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward, answered = Ward(tmp_path / "inbox"), threading.Event()
    entered = threading.Event()

    def hangs(_: Inbox) -> dict[Path, object]:
        entered.set()
        answered.wait(60)
        return {}

    monkeypatch.setattr(Inbox, "waiting", hangs)
    monkeypatch.setattr("adapters.elvis.feed.STOP_WITHIN_S", 0.01)
    ward.feed.start()
    assert entered.wait(20)
    assert ward.blocking() is None
    ward.clocks.passed_s += SILENT_S + 1
    assert "has not answered" in (ward.blocking() or "")
    ward.feed.stop()
    assert ward.feed.is_alive()
    answered.set()
    monkeypatch.setattr("adapters.elvis.feed.STOP_WITHIN_S", STOP_WITHIN_S)
    ward.feed.stop()
    assert not ward.feed.is_alive()


@pytest.mark.parametrize("steps_s", [(0.0, 0.0, 0.0), (0.0, -3600.0, 5.0), (-10.0, -10.0, -10.0)])
def test_receipts_increase_strictly_whatever_the_clock_does(
    ward: Ward, steps_s: Sequence[float]
) -> None:
    for minute, step_s in enumerate(steps_s):
        rows = [Row("B1", str(minute), str(bed), f"TEST-{bed:03d}") for bed in range(4 - minute)]
        ward.put(f"{minute}.csv", export(minute, *rows))
        ward.look_until_stable()
        ward.clocks.passed_s += step_s - 2.0
    envelopes = [Envelope.model_validate_json(value) for value in ward.values("observations")]
    receipts: list[datetime] = [
        one.stamp.received_at for envelope in envelopes for one in envelope.observations
    ]
    assert len(receipts) == 4 + 3 + 1 + 2 + 1
    assert all(one < following for one, following in pairwise(receipts))
