"""Which number is the patient's: by kind, profile and type, never by position."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.identity import (
    Identified,
    IdentitySettings,
    Number,
    doubts,
    number,
    patient_of,
)
from adapters.common.keys import PatientKeyer
from schemas.identifiers import IdentifierKind
from schemas.observation import PatientIdentifier

KEYER = PatientKeyer(b"a secret of the tests")
PERSON, RESERVE, LOCAL, TEN_DIGITS = "200001012384", "19810829M071", "4711", "0001012384"
PNR_OID, VGR_OID, LAB_OID = "1.2.752.129.2.1.3.1", "1.2.752.113.11.0.2.1.1.1", "1.2.3.4"
NAMES = st.lists(
    st.sampled_from([PNR_OID, VGR_OID, LAB_OID, "LAB", ""]), max_size=2, unique=True
).map(tuple)


def shown(value: str, *assigners: str, type: str = "", is_old: bool = False) -> Number:  # noqa: A002
    return number(value, assigners, type, {})._replace(is_old=is_old)


def key(*numbers: Number, **settings: Any) -> str:
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
    numbers: list[Number], national_first: bool, random: Any  # noqa: FBT001
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
    ],
)
def test_which_number_is_the_patients(
    numbers: list[Number], settings: dict[str, Any], expected: str
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
