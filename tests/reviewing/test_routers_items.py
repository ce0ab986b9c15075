"""Items of the router: a replay ends those only whose trouble is gone, as the preview says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.reviewing.hospital import Hospital
from tests.support.histories import Visit, message
from wardbridge.api.review_language import report_of
from wardbridge.reviewing.desk import Replayed

PERSONS: Final = {"A": "1102", "B": "1109", "C": "2303", "D": "2302"}


class Said(NamedTuple):
    """A message about somebody who has a local number, said at a minute."""

    event: str
    visit: str
    person: str
    ward: str = ""
    minute: int = 0


def say(hospital: Hospital, said: Said) -> None:
    payload = message(_visit(hospital, said), said.event, _control_id(hospital), ward=said.ward)
    pid = f"PID|||{PERSONS[said.person]}^^^NORR^PI"
    hospital.hl7(_with(payload, b"PID|", pid.encode()))


def merge(hospital: Hospital, ceasing: str, survivor: str, minute: int) -> None:
    visit = _visit(hospital, Said("A40", "V", ceasing, minute=minute))
    head = message(visit, "A40", _control_id(hospital)).split(b"\rPID")[0]
    pid = f"\rPID|||{PERSONS[survivor]}^^^NORR^PI\rMRG|{PERSONS[ceasing]}^^^NORR^PI\r"
    hospital.hl7(head + pid.encode())


def _visit(hospital: Hospital, said: Said) -> Visit:
    return Visit(said.visit, hospital.start - timedelta(minutes=60 - said.minute), "AKM")


def _control_id(hospital: Hospital) -> str:
    return f"{hospital.clock():%H%M%S%f}"


def _with(said: bytes, begins: bytes, line: bytes) -> bytes:
    lines = said.split(b"\r")
    return b"\r".join(line if each.startswith(begins) else each for each in lines)


def outcome_of(hospital: Hospital) -> dict[str, str]:
    """What a preview says of everything that is open, by reason."""
    plan, ahead = hospital.plan()
    report = report_of(Replayed(plan, ahead, has_more=False))
    return {each.item: each.became for each in report.items}


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path, "AKM", "KIR", "W1")


def test_a_visit_of_another_patient_remains_however_often_it_is_replayed(
    hospital: Hospital,
) -> None:
    say(hospital, Said("A14", "5102", "A", "W1", 1))
    say(hospital, Said("A14", "5102", "B", "KIR", 2))
    hospital.route()
    for _ in range(2):
        assert hospital.reasons() == ["visit-of-another-patient"]
        (item,) = hospital.open()
        assert (item.withheld, item.mark_unread) == (True, True)
        assert set(outcome_of(hospital).values()) == {"remains"}
        hospital.replay()
        hospital.restart("AKM", "KIR", "W1", "W2")
    merge(hospital, "B", "A", 3)
    hospital.route()
    assert hospital.open() == []
    assert hospital.words()[-1] == "KIR designated marked"


def test_a_circle_of_merges_remains(hospital: Hospital) -> None:
    merge(hospital, "D", "C", 1)
    merge(hospital, "C", "D", 2)
    hospital.route()
    for _ in range(2):
        assert hospital.reasons() == ["alias-cycle"]
        assert set(outcome_of(hospital).values()) == {"remains"}
        hospital.replay()


def test_what_was_mended_and_is_broken_again_is_open_again(hospital: Hospital) -> None:
    """A replay meets it long after its receipt, which is before the end of the item."""
    hospital.say("A14", "V1", "W9")
    (item,) = hospital.open()
    hospital.restart("AKM", "W9")
    hospital.replay()
    assert hospital.open() == []
    hospital.restart("AKM", "W1")
    hospital.replay([item])
    assert hospital.reasons() == ["ward-unknown"]


SAID = st.lists(
    st.tuples(st.sampled_from(["A14", "A14", "A08", "merge"]), st.sampled_from("xy"),
              st.sampled_from("ABCD"), st.sampled_from("ABCD"), st.sampled_from(["W1", "W2", "W9"]),
              st.integers(0, 3)), min_size=2, max_size=10,
)  # fmt: skip


@settings(max_examples=40)
@given(SAID, st.integers(0, 2**32 - 1).map(Random))
def test_a_preview_says_what_becomes_of_each_item(
    said: list[tuple[str, str, str, str, str, int]], random: Random
) -> None:
    """Replayed once and again, with and without another register, which some of the items wait for."""
    with TemporaryDirectory() as folder:
        hospital = Hospital(Path(folder), "AKM", "W1", "W2")
        for what, visit, person, other, ward, minute in said:
            if what == "merge":
                merge(hospital, person, other, minute)
            else:
                say(hospital, Said(what, visit, person, ward if what == "A14" else "", minute))
            if random.random() < 0.4:
                hospital.route()
        hospital.route()
        for _ in range(3):
            if random.random() < 0.5:
                hospital.restart("AKM", "W1", "W2", *random.choice([(), ("W9",)]))
            foreseen = outcome_of(hospital)
            before = len(hospital.notices())
            _, ahead = hospital.replay()
            still = {item.id for item in hospital.open()}
            assert {i: b for i, b in foreseen.items() if b != "cannot"} == {
                item: "remains" if item in still else "resolved"
                for item, became in foreseen.items()
                if became != "cannot"
            }
            assert [*ahead.notices] == hospital.notices()[before:]
            event("remains" if "remains" in foreseen.values() else "nothing remains")
