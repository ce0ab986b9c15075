"""Which number is the patient's: by kind, profile and type, never by position."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.identity import (
    Identified,
    IdentitySettings,
    PatientNumber,
    assigner_names,
    ceasing_patient_of,
    doubts,
    number,
    patient_of,
)
from adapters.common.keys import PatientKeyer
from schemas.identifiers import IdentifierKind
from schemas.observation import Patient, PatientIdentifier

KEYER = PatientKeyer(b"a secret of the tests").of("ehr")
PERSON, RESERVE, LOCAL, TEN_DIGITS = "200001012384", "19810829M071", "4711", "0001012384"
PNR_OID, VGR_OID, LAB_OID = "1.2.752.129.2.1.3.1", "1.2.752.113.11.0.2.1.1.1", "1.2.3.4"
NAMES = st.lists(
    st.sampled_from([PNR_OID, VGR_OID, LAB_OID, "LAB", ""]), max_size=2, unique=True
).map(tuple)


def shown(value: str, *assigners: str, type: str = "", is_old: bool = False) -> PatientNumber:  # noqa: A002
    return number(value, assigners, type, {})._replace(is_old=is_old)


def key(*numbers: PatientNumber, **settings: Any) -> str:
    """The patient's key, or why there is none."""
    found = patient_of(numbers, IdentitySettings(**settings), KEYER, "PID-3")
    return found.patient.key if isinstance(found, Identified) else found.reason


def key_of(kind: IdentifierKind, value: str, assigner: str | None = None) -> str:
    return KEYER.key(PatientIdentifier(kind=kind, value=value, assigner=assigner))


PERSON_KEY = key_of(IdentifierKind.PERSONNUMMER, PERSON)
LOCAL_KEY = key_of(IdentifierKind.LOCAL, LOCAL, LAB_OID)
MINE, ANOTHER = shown(LOCAL, LAB_OID, "LAB", type="MR"), shown("9", "WARD", type="AN")

SHOWN = st.builds(
    lambda value, names, kind, is_old: shown(value, *names, type=kind, is_old=is_old),
    st.sampled_from([PERSON, RESERVE, LOCAL, "8100", TEN_DIGITS]),
    NAMES,
    st.sampled_from(["MR", "PI", ""]),
    st.booleans(),
)


@given(st.lists(SHOWN, min_size=1, max_size=4), st.booleans(), st.randoms(use_true_random=False))
def test_the_patient_is_never_a_matter_of_position(
    numbers: list[PatientNumber], national_first: bool, random: Any  # noqa: FBT001
) -> None:  # fmt: skip
    before = key(*numbers, national_first=national_first)
    random.shuffle(numbers)
    event(before if before.startswith("patient-") else "told")
    assert key(*numbers, national_first=national_first) == before


@pytest.mark.parametrize(
    ("numbers", "settings", "expected"),
    [
        ([MINE], {}, LOCAL_KEY),
        ([MINE, shown(PERSON, PNR_OID)], {}, PERSON_KEY),
        ([shown(RESERVE, VGR_OID), shown(PERSON)], {}, PERSON_KEY),
        ([shown(PERSON, PNR_OID), shown(PERSON, "LAB")], {}, PERSON_KEY),
        ([MINE, shown(PERSON, PNR_OID)], {"national_first": False}, LOCAL_KEY),
        ([MINE, shown(PERSON, is_old=True)], {}, LOCAL_KEY),
        ([shown(PERSON, is_old=True)], {}, PERSON_KEY),
        ([ANOTHER, MINE], {}, LOCAL_KEY),
        ([ANOTHER, MINE], {"prefer": [{"assigner": "LAB"}]}, LOCAL_KEY),
        ([ANOTHER, MINE], {"prefer": [{"assigner": LAB_OID}]}, LOCAL_KEY),
        ([ANOTHER, MINE], {"prefer": [{"assigner": "WARD", "type": "MR"}]}, "patient-ambiguous"),
        ([MINE, shown("4712", LAB_OID, type="MR")], {}, "patient-ambiguous"),
        (
            [shown(TEN_DIGITS, LAB_OID), shown(TEN_DIGITS, LAB_OID, PNR_OID)],
            {},
            "patient-ambiguous",
        ),
        ([], {}, "patient-missing"),
        ([shown(str(n)) for n in range(51)], {}, "patient-unreadable"),
        ([MINE, shown("8", LAB_OID, type="MR")._replace(is_secondary=True)], {}, LOCAL_KEY),
        ([MINE, shown("8", "X", type="MR")._replace(is_secondary=True)], {}, LOCAL_KEY),
        ([MINE._replace(is_secondary=True)], {}, LOCAL_KEY),
        ([MINE, shown(PERSON)._replace(is_secondary=True)], {}, PERSON_KEY),
        ([MINE, shown("2.00001E+11", LAB_OID, type="MR")], {}, LOCAL_KEY),
        ([shown("2.00001E+11"), shown("1012384", PNR_OID)], {}, "patient-unreadable"),
        ([MINE, shown("0000", LAB_OID, type="MR")], {"placeholders": ["0000"]}, LOCAL_KEY),
        ([shown("0000")], {"placeholders": ["0000"]}, "patient-missing"),
    ],
)
def test_which_number_is_the_patients(
    numbers: list[PatientNumber], settings: dict[str, Any], expected: str
) -> None:
    assert key(*numbers, **settings) == expected


@pytest.mark.parametrize("assigners", [(PNR_OID,), ("LAB", PNR_OID), (LAB_OID, PNR_OID)])
def test_any_name_of_the_assigner_says_what_the_number_is(assigners: tuple[str, ...]) -> None:
    numbers = [shown(LOCAL, *assigners), shown(TEN_DIGITS, *assigners)]
    assert [each.identifier.kind.value for each in numbers] == ["local", "uncertain"]
    assert [(each.reason, each.where) for each in doubts(numbers, "PID-3")] == [
        ("identifier-not-of-its-kind", "PID-3"),
        ("century-missing", "PID-3"),
    ]


def test_what_the_profile_says_of_an_assigner_goes_before_the_form() -> None:
    of_lab = number(PERSON, (LAB_OID, "LAB"), "", {"LAB": IdentifierKind.LOCAL})
    assert of_lab.identifier == PatientIdentifier(
        kind=IdentifierKind.LOCAL, value=PERSON, assigner=LAB_OID
    )


def patient(*numbers: PatientNumber, **settings: Any) -> Patient:
    found = patient_of(numbers, IdentitySettings(**settings), KEYER, "PID-3")
    assert isinstance(found, Identified)
    return found.patient


@given(st.lists(SHOWN, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_all_other_numbers_go_along_old_ones_too_whatever_the_order(
    numbers: list[PatientNumber], random: Any
) -> None:
    found = patient_of(numbers, IdentitySettings(), KEYER, "PID-3")
    if isinstance(found, Identified):
        given_keys = {KEYER.key(each.identifier) for each in numbers}
        assert {found.patient.key, *found.patient.other_keys} == given_keys
        assert found.patient.key not in found.patient.other_keys
        random.shuffle(numbers)
        assert patient(*numbers).other_keys == found.patient.other_keys
        event(f"{len(found.patient.other_keys)} others")


def test_what_is_no_number_goes_along_nowhere_and_is_a_warning() -> None:
    damaged, placeholder = shown("2.00001E+11"), shown("0000", LAB_OID)
    found = patient(MINE, damaged, placeholder, placeholders=["0000"])
    assert (found.other_keys, found.identifiers) == ((), (MINE.identifier,))
    (doubt,) = doubts([MINE, damaged], "PID-3")
    assert (doubt.reason, doubt.where) == ("identifier-unreadable", "PID-3")
    assert "scientific" in doubt.detail


def test_a_number_without_assigner_is_its_sources_and_a_national_one_everybodys() -> None:
    keyer = PatientKeyer(b"a secret of the tests")
    one, other = keyer.of("one"), keyer.of("other")
    for kind in IdentifierKind:
        local = kind in {IdentifierKind.LOCAL, IdentifierKind.UNCERTAIN}
        nobodys = PatientIdentifier(kind=kind, value="4711")
        assert (one.key(nobodys) != other.key(nobodys)) == local
        assigned = PatientIdentifier(kind=kind, value="4711", assigner="LAB")
        assert one.key(assigned) == other.key(assigned)
        assert (one.key(assigned) != one.key(nobodys)) == local


def test_two_names_of_one_assigner_are_one_where_the_feed_says_so() -> None:
    aliases = {LAB_OID: "LAB"}
    for names in ((LAB_OID, "LAB"), ("LAB",), (LAB_OID,), ("", LAB_OID)):
        assert assigner_names(names, aliases)[0] == "LAB"
    assert assigner_names((LAB_OID, "LAB"), {}) == (LAB_OID, "LAB")
    assert assigner_names(("WARD", ""), aliases) == ("WARD",)


def test_any_of_a_ceasing_patients_numbers_tells_who_it_is() -> None:
    numbers = [MINE, shown("4712", LAB_OID, type="MR"), shown("4713", LAB_OID, type="MR")]
    assert key(*numbers) == "patient-ambiguous"
    found = ceasing_patient_of(numbers, IdentitySettings(), KEYER, "MRG-1")
    assert isinstance(found, Identified)
    assert len({found.patient.key, *found.patient.other_keys}) == 3
