"""Whom a planned Encounter designates: a clinic is booked by one as well as a ward."""

from __future__ import annotations

import tomllib

import pytest

from adapters.fhir.profile import FhirProfile
from adapters.hl7v2.profile import Hl7Profile
from tests.fhir.lab import Json, at, encounter, encounter_r5, outcome
from tests.hl7v2 import lab as hl7
from tests.router.hearing import Router

ON_A_WARD = ["IMP", "ACUTE", "NONAC", "EMER", "PRENC", "SS", "OBSENC", *"IEPBNU"]
ON_NONE = ["AMB", "VR", "HH", "FLD", *"ORC"]


def planned(code: str | None, edition: str = "R4", version: int = 1, **more: object) -> Json:
    said: dict[str, object] = {"status": "planned", "location": [at("W2", "planned")]} | more
    if edition == "R5":
        classes = [{"coding": [{"code": code}]}] if code else None
        return encounter_r5(version, **(said | {"class": classes}))
    return encounter(version, **(said | {"class": {"code": code} if code else None}))


def marked(document: Json, toml: str = "", edition: str = "R4") -> tuple[str | None, list[str]]:
    profile = {"edition": edition, **tomllib.loads(toml)}
    found = outcome(document, **profile)
    (said,) = found.observations
    assert said.claims.says("mark")
    assert "mark" not in said.unread
    mark = said.claims.mark
    return mark.ward if mark else None, [each.reason for each in found.warnings]


@pytest.mark.parametrize("edition", ["R4", "R5"])
@pytest.mark.parametrize(
    ("code", "ward", "doubts"),
    [
        *[(code, "W2", []) for code in ON_A_WARD],
        *[(code, None, []) for code in ON_NONE],
        (None, "W2", []),
        ("amb-x", "W2", ["class-unknown"]),
    ],
)
def test_a_planned_encounter_designates_who_can_lie_on_a_ward(
    code: str | None, ward: str | None, doubts: list[str], edition: str
) -> None:
    assert marked(planned(code, edition), edition=edition) == (ward, doubts)


@pytest.mark.parametrize("status", ["arrived", "triaged", "in-progress"])
@pytest.mark.parametrize("code", [*ON_A_WARD, *ON_NONE, "amb-x"])
def test_a_class_is_asked_of_planned_encounters_only(status: str, code: str) -> None:
    assert marked(planned(code, status=status)) == ("W2", [])


@pytest.mark.parametrize(
    ("toml", "designated"),
    [
        ('planned.classes = ["*"]', {"IMP", "NONAC", "AMB", "VR", "X1", "DAY"}),
        ('planned.classes = ["I"]', {"IMP", "NONAC", "X1", "DAY"}),
        ('planned.classes = ["amb"]', {"AMB", "X1", "DAY"}),
        ('planned.not_classes = ["IMP"]', {"X1", "DAY", "NONAC"}),
        ('planned.not_classes = ["I"]', {"X1", "DAY"}),
        ('planned.classes = ["O", "day"]', {"AMB", "X1", "DAY"}),
        ('planned.not_classes = ["Day"]', {"IMP", "NONAC", "X1"}),
        (
            'planned = { classes = ["*"], not_classes = ["VR"] }',
            {"IMP", "NONAC", "AMB", "X1", "DAY"},
        ),
    ],
)
def test_the_profile_says_whom(toml: str, designated: set[str]) -> None:
    codes = ["IMP", "NONAC", "AMB", "VR", "X1", "DAY"]
    assert {code for code in codes if marked(planned(code), toml)[0]} == designated


@pytest.mark.parametrize("codes", [("IMP", "AMB"), ("AMB", "IMP")])
def test_of_several_classes_one_that_lies_on_a_ward_is_enough(codes: tuple[str, str]) -> None:
    document = planned(None, "R5") | {"class": [{"coding": [{"code": each}]} for each in codes]}
    assert marked(document, edition="R5") == ("W2", [])


def test_a_class_that_cannot_be_read_takes_nobody_away() -> None:
    document = planned(None) | {"class": {"code": ["AMB"]}}
    assert marked(document) == ("W2", ["element-of-wrong-type"])


def test_who_is_no_longer_to_lie_on_a_ward_is_no_longer_expected() -> None:
    router = Router()
    for version, code in enumerate(("IMP", "AMB"), 1):
        router.hear_at_once(*outcome(planned(code, version=version)).observations)
        assert router.wards == (["W2"] if code == "IMP" else [])


def test_an_outpatients_other_locations_leave_no_mark_in_doubt() -> None:
    entries = [at("W2", None), at("W3", "planned", period={"end": "2026-01-14"})]
    found = outcome(planned("AMB", location=entries))
    assert found.warnings == ()
    assert found.observations[0].claims.mark is None


@pytest.mark.parametrize("code", "BCEINOPRUX")
def test_hl7_and_fhir_ask_by_the_same_rule(code: str) -> None:
    by_hl7 = hl7.normaliser(Hl7Profile()).normalise(
        hl7.message("A05", {2: code, 3: "W2"}), hl7.RECEIVED_AT
    )
    mark = by_hl7.observations[0].claims.mark if by_hl7.observations else None
    assert marked(planned(code)) == (
        mark and mark.ward, [each.reason for each in by_hl7.warnings],
    )  # fmt: skip


def test_an_empty_class_is_none() -> None:
    with pytest.raises(ValueError, match="designates in any case"):
        FhirProfile.model_validate(tomllib.loads('planned.classes = [""]'))
