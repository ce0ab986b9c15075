"""A place carries its facility: which ward a code means, with and without one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from schemas.ward import RegisterFaultsError, Unresolved, Ward, WardRegister

UNKNOWN, AMBIGUOUS, ELSEWHERE = Unresolved.UNKNOWN, Unresolved.AMBIGUOUS, Unresolved.ELSEWHERE
HSA_ID = "SE2321000131-E000000000007"


def ward(number: str, hospital: str, *codes: str, called: Sequence[str] = ()) -> Ward:
    return Ward(
        id=number, name=number, hospital=hospital, aliases={"ehr": codes},
        facilities={"ehr": tuple(called)} if called else {},
    )  # fmt: skip


SHARED = (
    ward("N52", "Norr", "52@NORR", "N1"),
    ward("S52", "Söder", "52@SODER", "K52", called=["1.2.752.7"]),
    ward("S60", "Söder", "60@HUS B"),
    ward("S61", "Söder", "61"),
    ward("70", "Norr"),
    ward("S70", "Söder", "70@SODER"),
    ward(HSA_ID, "Norr"),
)
ALONE = (ward("N52", "Norr", "52", "53@HUS A"), ward("N54", "Norr", "54"))


@pytest.mark.parametrize(
    ("wards", "code", "facilities", "found"),
    [
        # a shared code: by its facility, never without
        (SHARED, "52", ["SODER"], "S52"),
        (SHARED, " 52 ", [" soder "], "S52"),
        (SHARED, "52", ["NORR"], "N52"),
        (SHARED, "52", [], AMBIGUOUS),
        (SHARED, "52", ["", " "], AMBIGUOUS),
        (SHARED, "52", ["VAST"], ELSEWHERE),
        # a facility has several names: any of them will do, unless they contradict each other
        (SHARED, "52", ["X", "SODER"], "S52"),
        (SHARED, "52", ["1.2.752.7"], "S52"),
        (SHARED, "52", ["Söder"], "S52"),
        (SHARED, "52", ["SODER", "NORR"], AMBIGUOUS),
        (SHARED, "52", ["NORR", "1.2.752.7"], AMBIGUOUS),
        (SHARED, "61", ["SODER", "NORR"], AMBIGUOUS),
        # a code of one ward only
        (SHARED, "K52", [], "S52"),
        (SHARED, "K52", ["SODER"], "S52"),
        (SHARED, "K52", ["1.2.752.7"], "S52"),
        (SHARED, "61", ["söder"], "S61"),
        (SHARED, "61", ["SODER"], "S61"),  # an alias of the same hospital says whose it is
        (SHARED, "61", ["HUS B"], "S61"),
        (SHARED, "61", ["NORR"], ELSEWHERE),
        (SHARED, "61", ["VAST"], ELSEWHERE),
        (SHARED, "N1", ["SODER"], ELSEWHERE),
        # a facility that is a part of a hospital: another part is another place
        (SHARED, "60", ["HUS B"], "S60"),
        (SHARED, "60", ["SODER"], ELSEWHERE),
        (SHARED, "60", ["Söder"], "S60"),
        (SHARED, "60", [], AMBIGUOUS),
        # an id is an alias without facility
        (SHARED, "70", ["Norr"], "70"),
        (SHARED, "70", ["SODER"], "S70"),
        (SHARED, "70", [], AMBIGUOUS),
        (SHARED, "S61", [], "S61"),
        (SHARED, "S61", ["NORR"], ELSEWHERE),
        (SHARED, HSA_ID.lower(), ["SODER"], HSA_ID),
        # nothing but one hospital
        (ALONE, "52", [], "N52"),
        (ALONE, "52", ["SODER"], ELSEWHERE),
        (ALONE, "52", ["norr"], "N52"),
        (ALONE, "52", ["HUS A"], "N52"),
        (ALONE, "53", [], AMBIGUOUS),
        (ALONE, "99", ["SODER"], UNKNOWN),
        (ALONE, "", ["SODER"], UNKNOWN),
    ],
)
def test_a_code_is_the_ward_of_its_facility(
    wards: Sequence[Ward], code: str, facilities: list[str], found: str | Unresolved
) -> None:
    for order in (wards, wards[::-1]):
        assert WardRegister(order).resolve("ehr", code, facilities) == found


def test_facilities_are_a_sources_own() -> None:
    register = WardRegister([ward("S52", "Söder", "52", called=["1"])])
    assert register.resolve("ehr", "52", ["1"]) == "S52"
    assert register.resolve("elvis", "S52", ["1"]) is ELSEWHERE
    assert register.knows_facility("ehr", "1")
    assert not register.knows_facility("elvis", "1")
    assert register.knows_facility("elvis", "söder ")


def test_in_an_open_register_a_code_stands_for_itself_whatever_its_facility() -> None:
    assert WardRegister(open_register=True).resolve("ehr", "52", ["SODER"]) == "52"


def test_signs_that_part_an_alias_can_belong_to_its_parts() -> None:
    register = WardRegister([ward("A", "H", "5%402@N%25", "100%"), ward("B", "H", "5%402@N%40")])
    assert register.resolve("ehr", "5@2", ["n%"]) == "A"
    assert register.resolve("ehr", "5@2", ["N@"]) == "B"
    assert register.resolve("ehr", "100%") == "A"


@pytest.mark.parametrize(
    ("wards", "said"),
    [
        (
            [ward("N52", "Norr", "52"), ward("S52", "Söder", "52")],
            "'N52' (Norr) and 'S52' (Söder): write the facility with it on each, for example 52@NORTH",
        ),
        (
            [ward("N52", "Norr", "52"), ward("S52", "Söder", "52@SODER")],
            "code '52' of source 'ehr' names both 'N52' (Norr) and 'S52' (Söder): write the facility",
        ),
        (
            [ward("N52", "Norr", "52@X"), ward("S52", "Söder", "52@x")],
            "code '52@x' of source 'ehr' names both 'N52' (Norr) and 'S52' (Söder): a facility has",
        ),
        ([ward("A", "H", "52@")], "alias '52@' is half of one"),
        ([ward("A", "H", "@NORR")], "alias '@NORR' is half of one"),
        ([ward("A", "H", "52@X@Y")], "alias '52@X@Y' has more than one @"),
        ([ward("A", "H"), ward("a", "H")], "ward 'a' is listed twice"),
    ],
)
def test_a_register_that_cannot_tell_two_wards_apart_is_refused(
    wards: list[Ward], said: str
) -> None:
    with pytest.raises(RegisterFaultsError, match=re.escape(said)):
        WardRegister(wards)


def test_every_fault_is_told_at_once() -> None:
    wards = [ward("A", "H", "1", "2"), ward("B", "H", "1", "2"), ward("C", "H", "3@")]
    with pytest.raises(RegisterFaultsError) as caught:
        WardRegister(wards)
    assert [fault.ward for fault in caught.value.faults] == ["B", "B", "C"]


HOSPITALS = {"Norr": ("NORR", "1.1"), "Söder": ("SODER", "1.2"), "Väst": ("VAST", "HUS V")}
CODES = ("52", "K52", "1")


@st.composite
def registers(draw: st.DrawFn) -> WardRegister:
    """Up to three hospitals that share codes, each alias with or without facility."""
    alias = st.tuples(st.sampled_from(CODES), st.sampled_from(list(HOSPITALS)), st.booleans())
    drawn = draw(st.lists(alias, max_size=6, unique_by=lambda each: each[:2]))
    codes = [code for code, _, _ in drawn]
    wards = [
        ward(
            f"{hospital}-{code}-{number}",
            hospital,
            f"{code}@{HOSPITALS[hospital][0]}" if qualified or codes.count(code) > 1 else code,
            called=HOSPITALS[hospital] if draw(st.booleans()) else (),
        )
        for number, (code, hospital, qualified) in enumerate(drawn)
    ]
    return WardRegister(draw(st.permutations(wards)))


@given(registers(), st.sampled_from(CODES), st.sampled_from(list(HOSPITALS)), st.data())
def test_no_place_is_ever_a_ward_of_another_hospital(
    register: WardRegister, code: str, hospital: str, data: st.DataObject
) -> None:
    names = (hospital, *HOSPITALS[hospital], "VGR")
    given_by = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
    found = register.resolve("ehr", code, given_by)
    event(str(found) if isinstance(found, Unresolved) else "a ward")
    if isinstance(found, str):
        assert register.hospital_of(found) == hospital
        assert f"-{code}-" in found


@given(registers(), st.sampled_from(CODES))
def test_without_a_facility_a_code_is_the_only_ward_that_has_it(
    register: WardRegister, code: str
) -> None:
    having = [number for number in register.wards if f"-{code}-" in number]
    found = register.resolve("ehr", code)
    if isinstance(found, str):
        assert having == [found]
    assert (found is Unresolved.UNKNOWN) == (not having)


@pytest.mark.parametrize(
    ("norr", "soder"),
    [
        (["NORR"], ["norr "]),
        (["NORR", "1.2"], ["SODER", "1.2"]),
        ([], ["Norr"]),  # the own name of the other hospital
        (["Söder"], []),
    ],
)
def test_a_name_of_two_hospitals_is_refused(norr: list[str], soder: list[str]) -> None:
    wards = [ward("N52", "Norr", "52@NORR", called=norr), ward("S54", "Söder", "54", called=soder)]
    with pytest.raises(RegisterFaultsError, match="names the hospitals 'Norr' and 'Söder'"):
        WardRegister(wards)


def test_a_part_that_two_hospitals_call_alike_tells_of_neither() -> None:
    register = WardRegister(
        [
            ward("N52", "Norr", "52@HUS A"),
            ward("S53", "Söder", "53@HUS A"),
            ward("S54", "Söder", "54"),
        ]
    )
    assert register.resolve("ehr", "52", ["HUS A"]) == "N52"
    assert register.resolve("ehr", "53", ["HUS A"]) == "S53"
    assert register.resolve("ehr", "54", ["HUS A"]) is ELSEWHERE
    assert register.resolve("ehr", "54", ["Söder"]) == "S54"


def test_a_hospitals_name_in_an_alias_of_anothers_ward_is_doubted() -> None:
    wards = [ward("N52", "Norr", "52@N-1"), ward("S54", "Söder", "54", called=["N-1"])]
    (doubt,) = WardRegister(wards).doubts()
    assert doubt.ward == "S54"
    assert "'n-1' of source 'ehr' is 'Söder'" in doubt.text
    assert WardRegister(SHARED).doubts() == []
