"""Swedish identifiers: the table of cases, the public lists, another implementation."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personnummer import personnummer as other

from schemas.identifiers import (
    CENTURY_MISSING,
    CHECK_DIGIT_OVER_12,
    OIDS,
    URIS,
    IdentifierKind,
    canonical,
    classify,
    is_hsa_id,
    is_personnummer,
    is_samordningsnummer,
    luhn_digit,
    vgr_reserve_variant,
)

Kind = IdentifierKind
CORPUS = Path(__file__).resolve().parents[3] / "shared/corpora/swedish-identifiers"

PERSONNUMMER = "200001012384"  # one of Skatteverket's published test numbers
SAMORDNINGSNUMMER = "196109732393"  # HL7 Sweden's published example

CASES = {
    "a personnummer": (PERSONNUMMER, Kind.PERSONNUMMER, None),
    "with a hyphen": ("20000101-2384", Kind.PERSONNUMMER, None),
    "with blanks": (" 20000101 2384 ", Kind.PERSONNUMMER, None),
    "a leap day": ("200002292399", Kind.PERSONNUMMER, None),
    "a wrong check digit": ("200001012385", Kind.LOCAL, None),
    "a day that is not there": ("200102292397", Kind.LOCAL, None),
    "birth number 000": ("201509160006", Kind.LOCAL, None),
    "digits of another script": ("٢٠٠٠٠١٠١٢٣٨٤", Kind.LOCAL, None),
    "a samordningsnummer": (SAMORDNINGSNUMMER, Kind.SAMORDNINGSNUMMER, None),
    "no century": ("000101-2384", Kind.UNCERTAIN, CENTURY_MISSING),
    "no century, over a hundred": ("900101+9802", Kind.UNCERTAIN, CENTURY_MISSING),
    "no century, day plus 60": ("610973-2393", Kind.UNCERTAIN, CENTURY_MISSING),
    "ten digits that are no date": ("0013450009", Kind.LOCAL, None),
    "VGR, a man": ("19810829M071", Kind.VGR_RESERVE, None),
    "VGR, a woman": ("19450829K088", Kind.VGR_RESERVE, None),
    "VGR, sex unknown": ("19930829X802", Kind.VGR_RESERVE, None),
    "VGR, HL7 Sweden's example": ("20210325K069", Kind.VGR_RESERVE, None),
    "VGR, lower case": ("19810829m071", Kind.VGR_RESERVE, None),
    "VGR, older check digit, M": ("19810829M070", Kind.VGR_RESERVE, CHECK_DIGIT_OVER_12),
    "VGR, older check digit, K": ("19450829K087", Kind.VGR_RESERVE, CHECK_DIGIT_OVER_12),
    "VGR, older check digit, X": ("19930829X801", Kind.VGR_RESERVE, CHECK_DIGIT_OVER_12),
    "VGR, neither check digit": ("19810829M075", Kind.LOCAL, None),
    "VGR, a day that is not there": ("19810832M071", Kind.LOCAL, None),
    "VGR, another letter": ("19810829P071", Kind.LOCAL, None),
    "national, HL7 Sweden's example": ("98240301AA06", Kind.NATIONAL_RESERVE, None),
    "national, born 1950": ("22500315ZZ00", Kind.NATIONAL_RESERVE, None),
    "national, date unknown": ("22502040ZZ00", Kind.NATIONAL_RESERVE, None),
    "national, date unknown, upper end": ("22509959ZZ00", Kind.NATIONAL_RESERVE, None),
    "national, day beyond unknown": ("22502060ZZ00", Kind.LOCAL, None),
    "national, month neither": ("22501940ZZ00", Kind.LOCAL, None),
    "national, a forbidden letter": ("22500315ZO00", Kind.LOCAL, None),
    "national, a century of no series": ("19500315ZZ00", Kind.LOCAL, None),
    "a hospital's own number": ("MRN-4711", Kind.LOCAL, None),
    "nothing": ("", Kind.LOCAL, None),
}


@pytest.mark.parametrize("case", CASES)
def test_table_of_cases(case: str) -> None:
    value, kind, warning = CASES[case]
    found = classify(value)
    assert (found.kind, found.warning) == (kind, warning)


def test_the_canonical_form_is_the_same_for_every_way_of_writing() -> None:
    ways = ("19810829M071", "19810829-M071", " 19810829m071", "19810829 M071")
    assert {classify(way).value for way in ways} == {"19810829M071"}
    assert canonical("000101-2384") == "000101-2384"  # a sign without a century says the century


def test_a_local_number_is_kept_as_written_but_for_outer_blanks() -> None:
    assert classify(" mrn 4711 ").value == "mrn 4711"


@pytest.mark.parametrize("letter", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_a_letter_in_position_nine_is_never_a_personnummer(letter: str) -> None:
    value = f"20000101{letter}384"
    assert not is_personnummer(value)
    assert classify(value).kind not in {Kind.PERSONNUMMER, Kind.SAMORDNINGSNUMMER, Kind.UNCERTAIN}


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("SE2321000131-P000000123456", True),
        ("se2321000131-p000000123456", True),
        ("SE2321000131-" + "A" * 18, True),
        ("SE2321000131-" + "A" * 19, False),
        ("SE232100013-P1", False),
        ("SE2321000131-", False),
        ("SE2321000131-Å1", False),
        ("ſE2321000131-P1", False),
        ("NO2321000131-P1", False),
    ],
)
def test_hsa_ids(value: str, valid: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_hsa_id(value) is valid


def test_every_assigner_names_one_kind_of_patient_number() -> None:
    of_persons = {Kind.PERSONNUMMER, Kind.SAMORDNINGSNUMMER, Kind.NATIONAL_RESERVE}
    assert set(OIDS.values()) == of_persons | {Kind.VGR_RESERVE}
    assert set(URIS.values()) == of_persons


@given(st.text())
def test_any_text_is_classified(text: str) -> None:
    found = classify(text)
    assert found.kind in Kind
    assert found.kind is not Kind.LOCAL or found.value == text.strip()


@given(st.text("0123456789", min_size=1, max_size=15), st.data())
def test_one_wrong_digit_never_passes(digits: str, data: st.DataObject) -> None:
    number = digits + str(luhn_digit(digits))
    position = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from(sorted(set("0123456789") - {number[position]})))
    changed = number[:position] + wrong + number[position + 1 :]
    assert luhn_digit(changed[:-1]) != int(changed[-1])


@given(st.text("0123456789", min_size=12, max_size=12))
def test_twelve_digits_agree_with_the_other_implementation(value: str) -> None:
    assert agrees(value)


@given(st.dates(), st.integers(0, 999), st.integers(0, 9), st.sampled_from([0, 60]))
def test_plausible_numbers_agree_with_the_other_implementation(
    born: Any, serial: int, check: int, offset: int
) -> None:
    assert agrees(f"{born.year:04}{born.month:02}{born.day + offset:02}{serial:03}{check}")


def agrees(value: str) -> bool:
    ours = is_personnummer(value) or is_samordningsnummer(value)
    return ours is bool(other.valid(value))


def corpus(name: str) -> Any:
    path = CORPUS / name
    if not path.exists():
        pytest.skip("the shared corpora are not beside the project")
    return json.loads(path.read_text(encoding="utf-8"))


def test_skatteverkets_published_numbers_are_personnummer() -> None:
    numbers = corpus("skatteverket-sample.json")["items"]
    assert {classify(number).kind for number in numbers} == {Kind.PERSONNUMMER}
    assert all(other.valid(number) for number in numbers)


def test_the_validators_common_list() -> None:
    kinds = {"ssn": Kind.PERSONNUMMER, "con": Kind.SAMORDNINGSNUMMER}
    for item in corpus("personnummer-meta-list.json")["items"]:
        number = item["long_format"]
        # the list refuses a number for a blank in it; we read over it, as people type it
        holds = item["valid"] or (" " in number and other.valid(number.replace(" ", "")))
        expected = kinds[item["type"]] if holds else Kind.LOCAL
        assert classify(number).kind is expected, item


def test_interim_numbers_are_no_personnummer() -> None:
    for number in corpus("personnummer-meta-interim.json")["items"]:
        assert classify(number).kind is Kind.LOCAL


def test_vgr_reserve_numbers_of_both_check_digits() -> None:
    lists = corpus("vgr-reservnummer.json")
    assert {vgr_reserve_variant(number) for number in lists["valid_10_position"]} == {10}
    assert {vgr_reserve_variant(number) for number in lists["old_12_position_variant"]} == {12}


def test_hl7_swedens_examples() -> None:
    examples = corpus("hl7sweden-examples.json")
    for name, kind in {
        "personnummer": Kind.PERSONNUMMER,
        "samordningsnummer": Kind.SAMORDNINGSNUMMER,
        "vgr_reservnummer": Kind.VGR_RESERVE,
        "nationellt_reservnummer": Kind.NATIONAL_RESERVE,
    }.items():
        assert {classify(number).kind for number in examples[name]} == {kind}
    assert all(is_hsa_id(value) for value in examples["hsaid"])
