"""Kept inputs read again: what was absent takes effect, what was told is not told again, nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.memory import MemoryLog
from bus.port import Record
from bus.records import records_of
from schemas import topics
from schemas.review import ReviewStep
from tests.bus.engines import ENGINES, Engine, KafkaEngine, SqliteEngine
from tests.elvis.exports import Row
from tests.elvis.exports import export as export_file
from tests.fhir.lab import at, encounter
from tests.reviewing.hospital import CONFIG, START, Hospital
from tests.router.hearing import open_after
from tests.support.histories import Visit, message
from wardbridge.reviewing.planned import NO_BYTES, NO_FEED, NO_INPUT, OF_THE_REQUEST

NEEDED = [topic.name for topic in topics.TOPICS]


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path, "AKM", "W1")


def encounter_of(visit: str, ward: str, start: datetime = START) -> object:
    stay = encounter(
        location=[at(ward, "planned")],
        identifier=[{"type": {"coding": [{"code": "VN"}]}, "value": visit}],
    )
    stay["meta"] = {"versionId": "1", "lastUpdated": (start - timedelta(hours=1)).isoformat()}
    return stay


def listing(*rows: Row, start: datetime = START) -> bytes:
    """An export of the hour before the start."""
    local = (start - timedelta(hours=1)).astimezone(ZoneInfo("Europe/Stockholm"))
    at_local = f"{local:%Y-%m-%d %H:%M:%S}"
    text = export_file(0, *rows, wards="E1,E2", hospital="Elvis").text()
    return text.replace("2026-03-02 12:00:00", at_local).encode("windows-1252")


def told(hospital: Hospital) -> list[str]:
    hospital.route()
    return hospital.words()


MARKED = Row("E1", "1", "1", "TEST-1", admitted="2026-01-20 05:00", mark="E9")
SENT: dict[str, tuple[Callable[[Hospital], None], str]] = {
    "an event": (lambda h: h.say("A14", "V1", "W9"), "W9"),
    "a state": (lambda h: h.fhir(encounter_of("V2", "W9", h.start)), "W9"),
    "an export": (lambda h: h.export(listing(MARKED, start=h.start)), "E9"),
}
WARDS = ("AKM", "W1", "E1", "E2")


@pytest.mark.parametrize("name", SENT)
def test_a_code_that_was_missing_takes_effect_by_a_replay_and_is_told_once(
    tmp_path: Path, name: str
) -> None:
    send, ward = SENT[name]
    hospital = Hospital(tmp_path, *WARDS)
    send(hospital)
    assert told(hospital) == []
    (item,) = hospital.open()
    assert (item.reason, item.mark_unread) == ("ward-unknown", True)

    hospital.restart(*WARDS, ward)
    _, ahead = hospital.plan()
    assert [each.subject for each in ahead.notices] == [ward]
    assert (told(hospital), hospital.reasons()) == ([], ["ward-unknown"]), "a plan does nothing"

    hospital.replay()
    assert told(hospital) == [f"{ward} designated marked"]
    assert hospital.open() == []
    hospital.replay([item])
    if name != "an export":  # the feed reads a file of its own accord, when it is handed back
        send(hospital)
    hospital.restart(*WARDS, ward)
    assert told(hospital) == [f"{ward} designated marked"]


def test_a_replay_leaves_open_what_is_met_again_and_says_who_tried(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    hospital.say("A14", "V2", "W8")
    before = hospital.open()
    hospital.restart("AKM", "W1", "W8")
    plan, _ = hospital.replay()
    assert [sorted(each.remains) for each in plan] == [[before[0].id], []]
    assert hospital.open() == before[:1]
    assert [(s.item, s.deed, s.by) for s in steps(hospital)] == [
        (before[0].id, "replayed", "anna"), (before[1].id, "resolved", "anna"),
    ]  # fmt: skip
    assert told(hospital) == ["W8 designated marked"]


def steps(hospital: Hospital) -> list[ReviewStep]:
    found = [
        ReviewStep.model_validate_json(record.value or b"")
        for record in records_of(hospital.log, topics.REVIEWED)
    ]
    return sorted(found, key=lambda step: (step.at, step.deed))


BY_PATIENT = CONFIG + '[feeds.hl7.profile]\nvisit = "PID-3"\n'


@pytest.mark.parametrize(("zone", "left"), [("Asia/Tokyo", 0), ("Europe/Stockholm", 1)])
def test_a_clock_ahead_is_one_item_which_ends_when_its_input_is_read_in_the_right_zone(
    hospital: Hospital, zone: str, left: int
) -> None:
    for visit in ("V1", "V2", "V3"):
        payload = message(Visit(visit, START + timedelta(hours=3), "AKM"), "A01", visit)
        hospital.hl7(payload.replace(b"+0000", b""))
    assert hospital.reasons() == ["recorded-in-the-future"]
    profile = f'[feeds.hl7.profile]\nzone = "{zone}"\n'
    hospital.restart("AKM", "W1", config=CONFIG + profile)
    hospital.replay()
    assert len(hospital.open()) == left


MENDED: list[tuple[str, dict[str, str], bool]] = [
    ("the ward", {"W9": "W1"}, True),
    ("the ward, and sent later", {"W9": "W1", "|SENT|": "|20260120060500+0000|"}, True),
    ("another control id", {"W9": "W1", "CID1": "CID2"}, False),
    ("another time of the event", {"W9": "W1", "EVN||202601200500": "EVN||202601200501"}, False),
    ("another visit", {"W9": "W1", "|V7|": "|V8|"}, False),
    ("another patient", {"W9": "W1", "PV7^": "PX7^"}, False),
    ("another event", {"W9": "W1", "ADT^A14": "ADT^A15"}, False),
    ("another sender", {"W9": "W1", "|EHR|": "|LIS|"}, False),
    ("still wrong", {"W9": "W8"}, False),
    ("wrong otherwise", {"W9": "W1", "\rPID": "|soon\rPID"}, False),
]


@pytest.mark.parametrize(("name", "changed", "ends"), MENDED, ids=[name for name, _, _ in MENDED])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_message_sent_again_in_mended_form_ends_the_item_and_no_other_does(
    hospital: Hospital, name: str, changed: dict[str, str], *, ends: bool, restarts: bool
) -> None:
    said = message(
        Visit("V7", START - timedelta(hours=1), "AKM"), "A14", "CID1", ward="W9"
    ).decode()
    said = said.replace("|REG|20260120050000+0000|", "|REG|SENT|")
    hospital.hl7(said.replace("SENT", "20260120050000+0000").encode())
    (before,) = hospital.open()
    if restarts:
        hospital.restart("AKM", "W1")
    for old, new in changed.items():
        assert old in said, name
        said = said.replace(old, new)
    hospital.hl7(said.replace("SENT", "20260120050000+0000").encode())
    assert (before.id not in {each.id for each in hospital.open()}) == ends


def version_of(ward: str, number: str = "1", minutes: int = 0, **said: object) -> dict[str, Any]:
    stay = encounter_of("V7", ward)
    assert isinstance(stay, dict)
    at = START - timedelta(minutes=60 - minutes)
    meta = {"versionId": number, "lastUpdated": at.isoformat()}
    return {**stay, "id": "e7", "meta": meta, **said}


VERSIONS: list[tuple[str, list[dict[str, Any]], int]] = [
    ("a later one", [version_of("W9"), version_of("W1", "2", 1)], 0),
    ("a later one, by its count", [version_of("W9", "9"), version_of("W1", "10", 1)], 0),
    ("the older one comes later", [version_of("W9", "2", 1), version_of("W1")], 1),
    ("another Encounter", [version_of("W9"), version_of("W1", "2", 1, id="e8")], 1),
    ("no count", [version_of("W9", "a"), version_of("W1", "b", 1)], 1),
    ("still wrong", [version_of("W9"), version_of("W8", "2", 1)], 2),
    ("wrong twice, then right", [version_of("W9"), version_of("W8", "2", 1), version_of("W1", "3", 2)], 0),
    ("refused, then right", [version_of("W9", status="odd"), version_of("W1", "2", 1)], 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "versions", "left"), VERSIONS, ids=[each[0] for each in VERSIONS])
@pytest.mark.parametrize("bundled", [False, True])
def test_a_later_version_without_trouble_ends_the_items_of_those_before(
    hospital: Hospital, name: str, versions: list[dict[str, Any]], left: int, *, bundled: bool
) -> None:
    for each in versions:
        entry = {"resource": each}
        whole = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
        hospital.fhir(whole if bundled else each)
    assert len(hospital.open()) == left, name


def test_a_message_that_was_withheld_is_used_by_another_profile(hospital: Hospital) -> None:
    hospital.hl7(_message("4711", "W1").replace(b"|4711|", b"||"))
    (item,) = hospital.open()
    assert (item.reason, item.withheld, item.mark_unread) == ("visit-missing", True, True)
    hospital.restart("AKM", "W1", config=BY_PATIENT)
    _, ahead = hospital.replay()
    assert [each.subject for each in ahead.notices] == ["W1"]
    assert (told(hospital), hospital.open()) == (["W1 designated marked"], [])


def test_another_trouble_that_comes_in_its_place_is_told(hospital: Hospital) -> None:
    hospital.say("A14", "", "W1")
    hospital.restart("AKM", "W1", config=BY_PATIENT)
    (planned,), _ = hospital.plan()
    assert [(each.reason, each.where) for each in planned.met] == [("patient-unreadable", "PID-3")]
    hospital.replay()
    assert hospital.reasons() == ["patient-unreadable"]


def test_several_troubles_of_one_input_are_one_reading(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9", place="W8")
    hospital.say("A02", "V2", place="W9")
    hospital.say("A15", "V2", "W8", minute=1, place="W9")
    assert len(hospital.open()) == 3
    hospital.restart("AKM", "W8", "W9")
    plan, _ = hospital.replay()
    assert len(plan) == 3
    assert sorted(told(hospital)) == ["W8 designated marked", "W9 designated marked"]


# -- what stands in the way ----------------------------------------------------------------------------


def test_what_cannot_be_read_again_says_why_and_stays_open(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    (item,) = hospital.open()
    refused = item.model_copy(update={"id": "x1", "repeatable": False})
    of_nothing = item.model_copy(update={"id": "x2", "raw": None})
    foreign = item.model_copy(update={"id": "x3", "feed": "gone"})
    assert isinstance(hospital.log, MemoryLog)
    hospital.log.forget(topics.RAW)
    hospital.restart("AKM", "W9")
    plan, ahead = hospital.replay([item, refused, of_nothing, foreign])
    assert {each.items[0].id: each.cannot for each in plan} == {
        item.id: NO_BYTES, "x1": OF_THE_REQUEST, "x2": NO_INPUT, "x3": NO_FEED,
    }  # fmt: skip
    assert ahead.notices == ()
    assert hospital.open() == [item]


def test_an_export_that_was_deleted_cannot_be_handed_back(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, *WARDS)
    hospital.export(listing(MARKED))
    for path in (tmp_path / "inbox" / "done").iterdir():
        path.unlink()
    hospital.restart(*WARDS, "E9")
    (planned,), _ = hospital.replay()
    assert planned.cannot is not None
    assert "neither rejected/ nor done/" in planned.cannot.advice
    assert hospital.reasons() == ["ward-unknown"]


def test_without_the_secret_of_the_patient_keys_nothing_is_read(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    (hospital.folder / "patient.key").unlink()
    (planned,), _ = hospital.plan()
    assert planned.cannot is not None
    assert "patient.key is missing" in planned.cannot.advice


def test_a_visit_that_is_over_or_too_late_by_now_is_told_to_nobody(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    hospital.say("A03", "V1", minute=2)
    hospital.say("A14", "V2", "W9")
    hospital.route()
    hospital.now += timedelta(days=40)
    hospital.restart("AKM", "W1", "W9")
    _, ahead = hospital.plan()
    assert ahead.notices == ()
    assert {each.reason for each in ahead.met} == {"too-late"}
    hospital.replay()
    assert (told(hospital), set(hospital.reasons())) == ([], {"too-late"})
    again = [(item.id, item.at) for item in hospital.open()]
    hospital.replay()
    assert [(item.id, item.at) for item in hospital.open()] == again, "read again it is as late"


def test_what_the_router_could_not_take_is_open_until_it_can(hospital: Hospital) -> None:
    hospital.now += timedelta(days=40)
    hospital.say("A14", "V1", "W1")  # as a first load, of long ago
    hospital.route()
    assert hospital.reasons() == ["too-late"]
    hospital.restart("AKM", "W1", config=CONFIG + "[router]\nkeep_closed_days = 90\n")
    _, ahead = hospital.replay()
    assert [each.subject for each in ahead.notices] == ["W1"]
    assert (told(hospital), hospital.reasons()) == (["W1 designated marked"], [])


def test_a_protected_patient_is_told_as_one(hospital: Hospital) -> None:
    protected = _message("V1", "W9").replace(b"\rPV1|", b"\rPD1||||||||||||Y\rPV1|")
    hospital.hl7(protected)
    hospital.restart("AKM", "W1", "W9")
    _, ahead = hospital.replay()
    assert [each.data.protected for each in ahead.notices] == [True]
    assert [each.data.protected for each in hospital.notices()] == [True]


def _message(visit: str, ward: str) -> bytes:
    return message(Visit(visit, START - timedelta(hours=1)), "A14", "1", ward=ward)


# -- crashes, and two at once ----------------------------------------------------------------------------


class Killed(Exception):  # noqa: N818 - no error of the program
    """The process ends here."""


class KilledLog(MemoryLog):
    """Ends the process at one of the appends, before it or after it."""

    def __init__(self) -> None:
        super().__init__(clock_ms=lambda: int(START.timestamp() * 1000))
        self.lives = -1
        self.after = False

    def append(self, records: Sequence[Record]) -> None:
        self.lives -= 1
        if self.lives == 0 and not self.after:
            raise Killed
        super().append(records)
        if self.lives == 0:
            raise Killed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lives", range(1, 5))
def test_killed_at_any_moment_and_done_again_every_ward_is_told_once(
    tmp_path: Path, lives: int, *, after: bool
) -> None:
    log = KilledLog()
    hospital = Hospital(tmp_path, "AKM", "W1", log=log)
    for number in range(3):
        hospital.say("A14", f"V{number}", "W9", minute=number)
    hospital.restart("AKM", "W1", "W9")
    log.lives, log.after = lives, after
    try:
        hospital.replay()
    except Killed:
        hospital.route()
    log.lives = -1
    hospital.replay()
    assert told(hospital) == ["W9 designated marked"] * 3
    assert hospital.open() == []


def test_two_who_replay_at_once_tell_once(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    hospital.restart("AKM", "W1", "W9")
    items = hospital.open()
    one, _ = hospital.plan(items)
    other, _ = hospital.plan(items)
    for plan in (one, other, one):
        for each in plan:
            hospital.log.append(each.records)
    assert told(hospital) == ["W9 designated marked"]
    assert hospital.open() == []


def test_while_the_router_is_down_a_plan_sees_as_far_as_it_will_be(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    hospital.route()
    hospital.restart("AKM", "W1", "W9")
    hospital.say("A03", "V1", minute=5)  # waits for the router
    _, ahead = hospital.plan()
    assert ahead.notices == ()
    hospital.replay()
    assert told(hospital) == []


# -- any history -----------------------------------------------------------------------------------------

CODES = ("W1", "W2", "W3")
SAID = st.lists(
    st.tuples(st.sampled_from(["A14", "A15", "A02", "A27", "A03"]), st.sampled_from("xyz"),
              st.sampled_from(CODES)), min_size=1, max_size=10,
)  # fmt: skip


@settings(max_examples=30)
@given(SAID, st.integers(0, 2**32 - 1).map(Random))
def test_what_is_previewed_is_what_is_told_and_the_end_is_as_if_all_had_been_known(
    said: list[tuple[str, str, str]], random: Random
) -> None:
    """Some codes are missing at first; the register is mended and some or all is replayed, repeatedly."""
    known = random.sample(CODES, random.randint(0, 3))
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        late = Hospital(Path(one), "AKM", *known)
        right = Hospital(Path(other), "AKM", *CODES)
        for hospital in (late, right):
            for minute, (event, visit, ward) in enumerate(said):
                place = ward if event == "A02" else "AKM"
                hospital.say(event, visit, ward, minute, place)
                if hospital is late and random.random() < 0.5:
                    hospital.route()
        late.restart("AKM", *CODES)
        late.route()
        while waiting := late.open():
            some = random.sample(waiting, random.randint(1, len(waiting)))
            before = len(late.notices())
            plan, ahead = late.replay(some)
            assert [*ahead.notices] == late.notices()[before:]
            assert not any(each.cannot or each.remains for each in plan)
        assert told(right) is not None
        assert open_after(late.notices()) == open_after(right.notices())


# -- every engine ----------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "kafka"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    kind = ENGINES[request.param]
    made = KafkaEngine(tmp_path, NEEDED) if kind is KafkaEngine else kind(tmp_path)
    yield made
    made.close()


def test_on_every_engine(engine: Engine, tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(microsecond=0)  # as the brokers' clock shows
    if isinstance(engine, SqliteEngine):
        engine.clock.now_ms = int(start.timestamp() * 1000)
    hospital = Hospital(tmp_path, *WARDS, log=engine(1), start=start)
    for send, _ in SENT.values():
        send(hospital)
    hospital.say("A14", "V7", "W1", minute=3)
    assert told(hospital) == ["W1 designated marked"]
    hospital.restart(*WARDS, "W9", "E9")
    _, ahead = hospital.replay()
    assert sorted(each.subject for each in ahead.notices) == ["E9", "W9", "W9"]
    assert sorted(told(hospital)) == [
        "E9 designated marked", "W1 designated marked", *["W9 designated marked"] * 2,
    ]  # fmt: skip
    assert hospital.open() == []
