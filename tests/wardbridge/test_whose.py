"""Messages as hospitals send them, and what the ward's list says: who it is, under which visit, marked or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from tests.elvis.exports import Row, export
from tests.support.hospital import Hospital

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PNR, RES = "1.2.752.129.2.1.3.1", "1.2.752.113.11.0.2.1.1.1"


def adt(  # noqa: PLR0913, PLR0917 - the fields that a case varies
    event: str, minute: int, pid: str, name: str = "", visit: str = "", ward: str = "", *more: str
) -> bytes:
    """A message recorded so many minutes after 09:00 in Stockholm."""
    at = f"{datetime(2026, 3, 2, 9) + timedelta(minutes=minute):%Y%m%d%H%M%S}"  # noqa: DTZ001
    lines = [
        f"MSH|^~\\&|HIS|NORR|WB|WB|{at}||ADT^{event}^ADT_A05|C{minute}|P|2.5",
        f"EVN|{event}|{at}",
        f"PID|1||{pid}||{name}",
        *more,
    ]
    if visit:
        pv1 = [""] * 43
        pv1[0], pv1[1], pv1[2], pv1[19], pv1[42] = "PV1", "1", "I", visit, ward
        lines.append("|".join(pv1))
    return ("\r".join(lines) + "\r").encode()


def told(hospital: Hospital, *payloads: bytes) -> Hospital:
    for number, payload in enumerate(payloads):
        outcome = hospital.send(payload, START + timedelta(hours=1, seconds=number))
        assert outcome.observations, outcome
    return hospital


CASE_15 = (
    adt("A14", 10, f"19930829X802^^^&{RES}&ISO^PI~MO-1^^^NORR^MR", "Okand^Person", "MO1", "W5"),
    adt("A40", 15, f"200006012389^^^&{PNR}&ISO^NNSWE~MO-9^^^NORR^MR", "Prov^Kand", "", "",
        "MRG|MO-1^^^NORR^MR"),
    adt("A31", 20, f"200006012389^^^&{PNR}&ISO^NNSWE~MO-9^^^NORR^MR", "Prov^Kand", "", "",
        "PD1||||||||||||Y"),
)  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_merge_by_another_number_makes_the_visit_the_survivors_marked(
    order: tuple[int, ...],
) -> None:
    """Case 15."""
    hospital = told(Hospital().hl7(), *(CASE_15[at] for at in order))
    assert hospital.names("W5") == ["(Prov 200006012389)"]
    assert hospital.review == []


def test_a_later_message_by_any_of_the_numbers_is_about_that_patient() -> None:
    hospital = told(Hospital().hl7(), *CASE_15).restart()
    numbers = ("MO-1^^^NORR^MR", "MO-9^^^NORR^MR", f"19930829X802^^^&{RES}&ISO^PI")
    for at, number in enumerate(numbers):
        told(hospital, adt("A14", 30 + at, number, "", f"V{at}", "W6"))
    assert hospital.names("W6") == ["(Prov 200006012389)"] * 3
    told(hospital, adt("A27", 40, "MO-9^^^NORR^MR", "", "MO1", "W5"))
    assert hospital.names("W5") == []
    assert hospital.review == []


def test_a_circle_of_merges_leaves_visit_and_name_as_they_were() -> None:
    """Case 14: the second merge is refused, in review, and the old number still speaks of the patient."""
    a, b = "RM-A^^^NORR^MR", "RM-B^^^NORR^MR"
    hospital = told(
        Hospital().hl7(),
        adt("A14", 10, a, "Prov^A", "RM1", "W4"),
        *(
            adt("A40", 15, survivor, "Prov^A", "", "", f"MRG|{ceasing}")
            for survivor, ceasing in ((a, b), (b, a), (a, b), (b, a))
        ),
    )
    assert hospital.names("W4") == ["Prov RM-A"]
    assert hospital.review == ["alias-cycle"]
    told(hospital.restart(), adt("A27", 20, b, "Prov^A", "RM1", "W4"))
    assert hospital.visits("W4") == []


def test_one_visit_number_of_two_assigners_is_two_visits() -> None:
    """Case 16, as it is sent, and with the profile's word on numbers without an assigner."""
    anna, bo = f"200006012397^^^&{PNR}&ISO^NNSWE", f"200012312385^^^&{PNR}&ISO^NNSWE"
    said = (
        adt("A14", 10, anna, "Prov^Anna", "1001^^^NORR^VN", "W6"),
        adt("A14", 11, bo, "Prov^Bo", "1001^^^SODER^VN", "W7"),
        adt("A08", 12, anna, "Prov^Anna", "1001"),
    )
    hospital = told(Hospital().hl7(), *said)
    assert (hospital.visits("W6"), hospital.visits("W7")) == (["1001@NORR"], ["1001@SODER"])
    assert hospital.review == ["visit-without-assigner"]
    told(hospital, adt("A08", 13, anna, "Prov^Anna", "1001"))
    assert hospital.review == ["visit-without-assigner"]
    mended = told(Hospital().hl7('visit_assigner = "NORR"'), *said)
    told(mended, adt("A27", 14, anna, "Prov^Anna", "1001", "W6"))
    assert (mended.visits("W6"), mended.visits("W7")) == ([], ["1001@SODER"])
    assert mended.review == []


def test_without_any_assigner_the_second_patient_is_in_review() -> None:
    hospital = told(
        Hospital().hl7(),
        adt("A14", 10, f"200006012397^^^&{PNR}&ISO", "Prov^Anna", "1001", "W6"),
        adt("A14", 11, f"200012312385^^^&{PNR}&ISO", "Prov^Bo", "1001", "W7"),
    )
    assert (hospital.names("W6"), hospital.names("W7")) == (["Prov 200006012397"], [])
    assert hospital.review == ["visit-of-another-patient"]


def test_two_names_of_one_assigner_are_one_visit_and_one_patient_where_the_feed_says_so() -> None:
    hospital = Hospital().hl7('assigners = { "1.2.752.9" = "NORR" }')
    told(
        hospital,
        adt("A14", 10, "7^^^NORR&1.2.752.9&ISO^MR", "Prov^Anna", "1^^^NORR&1.2.752.9&ISO", "W6"),
        adt("A27", 11, "7^^^NORR^MR", "Prov^Anna", "1^^^NORR", "W6"),
    )
    assert (hospital.visits("W6"), hospital.review) == ([], [])


def test_a_visit_of_two_patients_stays_the_firsts() -> None:
    """Case 46."""
    said = [adt("A14", 5 * n, f"P{n}^^^H^MR", f"Prov{n}", "IP", f"W{n // 3}") for n in (1, 2, 3)]
    hospital = told(Hospital().hl7(), *said)
    assert (hospital.names("W0"), hospital.names("W1")) == (["Prov1 P1"], [])
    assert hospital.review == ["visit-of-another-patient"] * 2
    told(hospital.restart(), *said)
    assert hospital.review == ["visit-of-another-patient"] * 2
    told(hospital, adt("A40", 30, "P3^^^H^MR", "Prov3", "", "", "MRG|P1^^^H^MR"))
    assert (hospital.visits("W0"), hospital.names("W1")) == ([], ["Prov3 P3"])


def test_a_sender_that_corrects_by_a08_says_so_in_its_profile() -> None:
    wrong, right = "P1^^^H^MR", "P2^^^H^MR"
    said = (adt("A14", 10, wrong, "Fel", "V1", "W1"), adt("A08", 20, right, "Ratt", "V1"))
    assert told(Hospital().hl7(), *said).names("W1") == ["Fel P1"]
    corrects = told(Hospital().hl7("corrects_patient = true"), *said)
    assert (corrects.names("W1"), corrects.review) == (["Ratt P2"], [])


def test_a_number_without_assigner_is_each_sources_own() -> None:
    """`4711` of the record system and `4711` of the exports are two people with two names."""
    for believed, name in (("ehr", "Ehr 4711"), ("other", "Other 4711")):
        hospital = Hospital(believed).hl7().hl7(source="other", feed="other")
        hospital.send(adt("A14", 10, "4711", "Ehr^A", "V1", "W1"), START)
        hospital.send(adt("A14", 11, "4711", "Other^B", "V1", "W1"), START, "other")
        hospital.send(adt("A08", 12, "4711", "Other^B", "V1", ""), START, "other")
        assert hospital.names("W1") == [name]


def test_a_national_number_is_the_same_person_at_every_source() -> None:
    pnr = "200006012397"
    hospital = Hospital("elvis").hl7().elvis()
    hospital.send(adt("A31", 1, f"{pnr}^^^&{PNR}&ISO", "Prov^Anna"), START)
    row = Row("B1", "2", "1", pnr, admitted="2026-03-02 08:00", mark="B2")
    file = export(0, row)
    hospital.export(file.payload(), "a.csv", file.at)
    assert hospital.names("B2") == [f"Prov {pnr}"]


def test_what_a_spreadsheet_made_of_a_number_names_and_ends_nobody() -> None:
    """Case 28."""
    pnr = "200001012384"
    hospital = Hospital("elvis").elvis()
    anna = Row("B1", "12", "1", pnr, admitted="2026-03-02 08:00", mark="B2")
    bo = Row("B1", "12", "2", "200001012392", admitted="2026-03-02 08:10")
    file = export(0, anna, bo)
    hospital.export(file.payload(), "1.csv", file.at)
    before = hospital.visits("B2")
    damages = ("2,00001E+11", "2.00001E+11", "200001012384.0", "1012384", "'200001012384")
    for minute, damaged in enumerate(damages, 15):
        file = export(minute, anna._replace(patient=damaged), bo)
        outcome = hospital.export(file.payload(), f"{minute}.csv", file.at)
        assert [each.reason for each in outcome.warnings] == ["patient-unreadable"]
        assert hospital.visits("B2") == before
    assert len(before) == 1


def encounter(version: int, identifiers: Sequence[Mapping[str, object]], ward: str = "W1") -> bytes:
    patient = {"resourceType": "Patient", "id": "p", "identifier": list(identifiers),
               "name": [{"family": "Fhir"}]}  # fmt: skip
    return json.dumps({
        "resourceType": "Encounter", "id": "e1", "contained": [patient],
        "meta": {"versionId": str(version), "lastUpdated": f"2026-03-02T09:{version:02}:00+01:00"},
        "identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": "1001", "system": "urn:norr"}],
        "status": "in-progress", "class": {"code": "IMP"}, "subject": {"reference": "#p"},
        "location": [{"location": {"reference": f"Location/{ward}"}, "status": "planned"}],
    }).encode()  # fmt: skip


def test_a_fhir_feed_and_an_hl7_feed_of_one_source_speak_of_one_patient_and_visit() -> None:
    profile = 'assigners = { "urn:norr" = "NORR" }'
    hospital = Hospital().fhir(profile).hl7()
    numbers: list[Mapping[str, object]] = [
        {"system": f"urn:oid:{PNR}", "value": "200006012397"},
        {"system": "urn:norr", "value": "7", "type": {"coding": [{"code": "MR"}]}},
    ]
    hospital.send(encounter(1, numbers), START, "fhir")
    told(hospital, adt("A08", 30, "7^^^NORR^MR", "Hl7^Anna", "1001^^^NORR"))
    assert hospital.visits("W1") == ["1001@NORR"]
    assert hospital.names("W1") == ["Hl7 200006012397"]
    told(hospital, adt("A27", 40, "7^^^NORR^MR", "Hl7^Anna", "1001^^^NORR", "W1"))
    assert (hospital.visits("W1"), hospital.review) == ([], [])


def test_a_version_with_another_patient_changes_nothing_unless_the_profile_says_so() -> None:
    one = [{"system": "urn:norr", "value": "7"}]
    other = [{"system": "urn:norr", "value": "8"}]
    for profile, wards in (("", ["W1"]), ("corrects_patient = true", ["W2"])):
        hospital = Hospital().fhir(profile)
        hospital.send(encounter(1, one), START, "fhir")
        hospital.send(encounter(2, other, "W2"), START, "fhir")
        assert [ward for ward in ("W1", "W2") if hospital.visits(ward)] == wards
        assert hospital.review == ([] if profile else ["visit-of-another-patient"])
