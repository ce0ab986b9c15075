"""A mark that cannot be read keeps what belongs to it to itself: its time is not an older mark's."""

from __future__ import annotations

import tomllib
from typing import Final

import pytest

from adapters.common.outcome import InputOutcome
from adapters.hl7v2.profile import Hl7Profile
from schemas.ward import Ward, WardRegister
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser, segment

REGISTER: Final = WardRegister(
    [
        Ward(id="KIR", name="Surgery", hospital="Norr", aliases={"ehr": ("KIR",)}),
        Ward(id="N-52", name="52", hospital="Norr", aliases={"ehr": ("52@NORR",)}),
        Ward(id="S-52", name="52", hospital="Soder", aliases={"ehr": ("52@SODER",)}),
    ]
)
PROFILE: Final = Hl7Profile.model_validate(
    tomllib.loads(
        """
        [marks]
        A05 = ["PV1-42", "PV1-3"]
        A14 = ["PV1-42", "PV1-3"]
        A15 = ["PV1-42"]
        A08 = { fields = ["PV1-42"], expected = ["EVN-3"] }
        """
    )
)
CANNOT_BE_READ: Final = {
    "K8": "ward-unknown",
    "K" * 2000: "ward-unknown",
    "52": "ward-ambiguous",
    "52^^^OSTRA": "ward-elsewhere",
    "K\x0b8": "text-unreadable",
}
EVENTS: Final = {
    "A05": ("A05", ""),
    "A14": ("A14", ""),
    "A15": ("A15", ""),
    "A08": ("A08", ""),
    "A14 told again": ("A14", segment("ZBE", {1: "M1", 2: "20260115", 4: "UPDATE", 5: "N"})),
    "Z99 of an A14": (
        "Z99",
        segment("ZBE", {1: "M1", 2: "20260115", 4: "UPDATE", 5: "N", 6: "A14"}),
    ),
}


def read(event: str, ward: str, evn_3: str = "20260116120000", **pv1: str) -> InputOutcome:
    trigger, zbe = EVENTS[event]
    fields = {42: ward, **({2: pv1["of_class"]} if pv1 else {})}
    more = [zbe] if zbe else []
    payload = message(trigger, fields, *more, evn={3: evn_3})
    return normaliser(PROFILE, REGISTER).normalise(payload, RECEIVED_AT)


@pytest.mark.parametrize("evn_3", ["20260116120000", '""'], ids=["said", "cleared"])
@pytest.mark.parametrize(("ward", "reason"), CANNOT_BE_READ.items(), ids=lambda text: text[:20])
@pytest.mark.parametrize("event", EVENTS)
def test_the_time_of_a_mark_that_cannot_be_read_is_absent(
    event: str, ward: str, reason: str, evn_3: str
) -> None:
    found = read(event, ward, evn_3)
    (said,) = found.observations
    assert [(each.reason, each.mark_unread) for each in found.warnings] == [(reason, True)]
    assert said.unread == ("mark",)
    assert not said.claims.says("expected_at")


@pytest.mark.parametrize("event", EVENTS)
def test_the_time_of_a_mark_that_can_be_read_is_said(event: str) -> None:
    (said,) = read(event, "KIR").observations
    assert said.claims.mark is not None
    assert said.claims.expected_at is not None


def test_a_date_where_the_ward_should_stand_is_no_older_marks_time_either() -> None:
    (said,) = read("A05", "20260116").observations
    assert not said.claims.says("expected_at")


@pytest.mark.parametrize("ward", ["KIR", "K8"])
def test_the_time_of_who_is_not_designated_is_of_no_mark(ward: str) -> None:
    (said,) = read("A05", ward, of_class="O").observations
    assert not said.claims.says("mark")
    assert not said.claims.says("expected_at")
