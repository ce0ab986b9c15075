"""Rules of the mapping, one table each; the stories are in ``tests/golden/fhir``."""

from __future__ import annotations

import json

import pytest

from adapters.fhir.edition import R4, R5
from adapters.fhir.refusal import ANSWERS
from schemas.observation import What
from schemas.ward import Ward, WardRegister
from tests.fhir.lab import RECEIVED_AT as NOW
from tests.fhir.lab import (
    Json,
    at,
    bundle,
    claimed,
    doubts,
    encounter,
    encounter_r5,
    normaliser,
    observed,
    outcome,
    reason,
)

UNDER_WAY, OVER, NEVER_WAS = What.DESCRIBED, What.DISCHARGED, What.ADMISSION_CANCELLED
STATUSES = {
    "R4": {
        "planned": UNDER_WAY,
        "arrived": UNDER_WAY,
        "triaged": UNDER_WAY,
        "in-progress": UNDER_WAY,
        "onleave": UNDER_WAY,
        "finished": OVER,
        "cancelled": NEVER_WAS,
        "entered-in-error": NEVER_WAS,
    },
    "R5": {
        "planned": UNDER_WAY,
        "in-progress": UNDER_WAY,
        "on-hold": UNDER_WAY,
        "discharged": OVER,
        "completed": OVER,
        "discontinued": OVER,
        "cancelled": NEVER_WAS,
        "entered-in-error": NEVER_WAS,
    },
}


@pytest.mark.parametrize(
    ("edition", "status", "what"),
    [(edition, *each) for edition, means in STATUSES.items() for each in means.items()],
)
def test_each_status_means_one_thing(edition: str, status: str, what: What) -> None:
    document = encounter if edition == "R4" else encounter_r5
    said = observed(document(status=status), edition=edition)
    on_leave = status in {"onleave", "on-hold"}
    assert (said.what, said.claims.on_leave, said.shape) == (what, on_leave, "state")


def test_a_status_that_says_nothing_withholds_the_encounter() -> None:
    for edition, document in (("R4", encounter), ("R5", encounter_r5)):
        found = reason(document(status="unknown"), edition=edition)
        assert found == ("review", "status-unknown", "Encounter.status")


@pytest.mark.parametrize("name", sorted(R4.foreign | R5.foreign))
def test_an_element_of_the_other_edition_is_refused_and_never_read(name: str) -> None:
    foreign_to_r4 = name in R4.foreign
    document = encounter(**{name: {}}) if foreign_to_r4 else encounter_r5(**{name: {}})
    edition = "R4" if foreign_to_r4 else "R5"
    assert reason(document, edition=edition) == (
        "review", "other-fhir-version", f"Encounter.{name}",
    )  # fmt: skip


def test_r4b_is_read_as_r4_and_each_edition_refuses_the_other_class() -> None:
    assert observed(encounter(), edition="R4B") == observed(encounter())
    assert reason(encounter(), edition="R5")[1:] == ("other-fhir-version", "Encounter.class")
    assert reason(encounter_r5())[1:] == ("other-fhir-version", "Encounter.class")


@pytest.mark.parametrize(
    ("locations", "place", "mark"),
    [
        ([at("A")], "A", None),
        ([at("A", None)], "A", None),
        ([at("A", None, period={"end": "2026-01-15"})], "A", None),
        ([at("A", None, period={"end": "2026-01-14"})], None, None),
        ([at("A", None), at("B")], "B", None),
        ([at("A", "completed"), at("B")], "B", None),
        ([at("A"), at("B", "planned")], "A", "B"),
        ([at("A"), at("B", "reserved")], "A", None),
        ([at("B", "planned"), at("B")], "B", "B"),
        ([], None, None),
    ],
    ids=str,
)
def test_a_status_decides_between_place_and_mark(
    locations: list[Json], place: str | None, mark: str | None
) -> None:
    claims = claimed(encounter(location=locations))
    assert claims.says("place")
    assert claims.says("mark")
    assert (claims.place and claims.place.ward, claims.mark and claims.mark.ward) == (place, mark)


LATER: Json = {"start": "2026-02-15T08:00:00+01:00"}
IS_OVER: Json = {"start": "2026-01-14T08:00:00+01:00", "end": "2026-01-15T08:00:00+01:00"}
LASTING: Json = {"start": "2026-01-14T08:00:00+01:00", "end": "2026-01-16T08:00:00+01:00"}


@pytest.mark.parametrize(
    ("status", "locations", "place", "doubted"),
    [
        ("planned", [at("A", None)], None, True),
        ("planned", [at("A", None), at("B", "planned")], None, False),
        ("planned", [at("A")], "A", False),
        ("in-progress", [at("A", None)], "A", False),
        ("in-progress", [at("A", None, period=LATER)], None, False),
        ("in-progress", [at("A", None, period=IS_OVER)], None, False),
        ("in-progress", [at("A", None, period=LASTING)], "A", False),
        ("in-progress", [at("A", None, period={"end": "soon"})], None, False),
        ("in-progress", [at("A", period=IS_OVER)], None, True),
        ("in-progress", [at("A", period=LATER)], None, True),
        ("in-progress", [at("A", period=LASTING)], "A", False),
        ("in-progress", [at("A", None, _status={"extension": []})], None, True),
    ],
    ids=[
        "to come, unsaid", "to come, beside the mark", "to come, and there", "unsaid", "later",
        "over", "lasting", "unreadable end", "there, and over", "there, and later",
        "there, lasting", "status said to be absent",
    ],
)  # fmt: skip
def test_nobody_lies_where_nothing_says_that_they_do_now(
    status: str,
    locations: list[Json],
    place: str | None,
    doubted: bool,  # noqa: FBT001 - a table's column
) -> None:
    found = outcome(encounter(status=status, location=locations))
    (said,) = found.observations
    assert (said.claims.place and said.claims.place.ward) == place
    assert said.claims.says("place") is not doubted
    assert [each.reason for each in found.warnings] == ["location-status-unknown"] * doubted


def test_a_planned_location_that_names_none_takes_no_mark_away() -> None:
    found = outcome(encounter(location=[{"status": "planned"}]))
    assert [each.reason for each in found.warnings] == ["location-without-ward"]
    assert not found.observations[0].claims.says("mark")


@pytest.mark.parametrize("place", ["tag", "security"])
def test_what_is_marked_as_a_test_tells_no_ward_unless_the_profile_takes_it(place: str) -> None:
    meta = encounter()["meta"] | {place: [{"code": "HTEST"}]}
    withheld = ("review", "not-production", f"Encounter.meta.{place}[0]")
    assert reason(encounter(meta=meta)) == withheld
    assert outcome(encounter(meta=meta), test_data=True).observations


def test_a_count_without_a_time_is_not_overruled_by_the_receipt() -> None:
    document = encounter(meta={"versionId": "2"})
    assert reason(document, unversioned="receipt")[:2] == ("review", "version-missing")


def test_reserved_marks_only_where_the_profile_says_so() -> None:
    document = encounter(location=[at("B", "reserved")])
    assert claimed(document).mark is None
    mark = claimed(document, reserved_marks=True).mark
    assert mark is not None
    assert mark.ward == "B"


def test_a_planned_location_that_is_temporary_marks_nothing() -> None:
    url = "http://hl7.org/fhir/uv/v2mappings/StructureDefinition/temporary-location"
    temporary = [{"url": url, "valueBoolean": True}]
    assert claimed(encounter(location=[at("B", "planned", extension=temporary)])).mark is None


def test_a_mark_that_cannot_be_read_is_absent_and_keeps_its_time_to_itself() -> None:
    wards = WardRegister([Ward(id="A", name="A", hospital="H")])
    planned = at("B", "planned", period={"start": "2026-01-15T14:00:00+01:00"})
    found = outcome(encounter(location=[at("A"), planned]), wards)
    claims = found.observations[0].claims
    assert [each.reason for each in found.warnings] == ["ward-unknown"]
    assert not claims.says("mark")
    assert not claims.says("expected_at")
    assert claims.says("place")


@pytest.mark.parametrize("edition", ["R4", "R5"])
@pytest.mark.parametrize("status", ["planned", "in-progress"])
@pytest.mark.parametrize(
    "marks",
    {
        "unknown": [at("X", "planned")],
        "two wards": [at("A", "planned"), at("B", "planned")],
        "one of two is unknown": [at("X", "planned"), at("A", "planned")],
        "no list": at("A", "planned"),
        "no reference": [{"location": "A", "status": "planned"}],
        "no status that is one": [at("A", ["planned"])],  # type: ignore[arg-type]
    }.items(),
    ids=lambda case: case[0],
)
def test_no_time_is_said_of_a_mark_that_cannot_be_read(
    edition: str, status: str, marks: tuple[str, object]
) -> None:
    wards = WardRegister(Ward(id=name, name=name, hospital="H") for name in "AB")
    planned = {"plannedStartDate": "2026-01-15T14:00:00+01:00"} if edition == "R5" else {}
    document = encounter if edition == "R4" else encounter_r5
    locations = marks[1]
    for each in locations if isinstance(locations, list) else []:
        each["period"] = {"start": "2026-01-15T15:00:00+01:00"}
    found = outcome(document(status=status, location=locations, **planned), wards, edition=edition)
    (said,) = found.observations
    assert "mark" in said.unread
    assert not said.claims.says("expected_at")
    assert any(each.mark_unread for each in found.warnings)


def test_two_marked_wards_are_no_mark_and_two_entries_of_one_ward_are_one() -> None:
    assert doubts(encounter(location=[at("A", "planned"), at("B", "planned")])) == [
        ("place-ambiguous", "Encounter.location")
    ]
    assert claimed(encounter(location=[at("A", "planned"), at("A", "planned")])).mark is not None


def test_what_the_feed_does_not_own_is_not_said() -> None:
    claims = claimed(encounter(location=[at("A"), at("B", "planned")]), claims=["place"])
    assert claims.model_fields_set == {"place"}


def test_a_visit_that_is_over_claims_neither_place_nor_mark() -> None:
    for status in ("finished", "cancelled"):
        claims = claimed(encounter(status=status, location=[at("A"), at("B", "planned")]))
        assert not claims.model_fields_set & {"place", "mark", "expected_at"}


@pytest.mark.parametrize(
    ("code", "visit_class"),
    [("IMP", "I"), ("ACUTE", "I"), ("NONAC", "I"), ("EMER", "E"), ("AMB", "O"), ("PRENC", "P"),
     ("HH", "HH")],
)  # fmt: skip
def test_the_class_is_told_as_hl7_tells_it(code: str, visit_class: str) -> None:
    assert claimed(encounter(**{"class": {"code": code}})).visit_class == visit_class
    r5 = encounter_r5(**{"class": [{"coding": [{"code": code}]}]})
    assert claimed(r5, edition="R5").visit_class == visit_class


def test_the_version_orders_and_the_time_goes_before_it() -> None:
    stamps = [
        observed(encounter(meta={"versionId": version, "lastUpdated": time})).stamp
        for version, time in (
            ("2", "2026-01-15T10:00:00Z"),
            ("10", "2026-01-15T10:00:00Z"),
            ("1", "2026-01-15T10:00:00.001Z"),
        )
    ]
    assert [(stamp.at, stamp.sequence) for stamp in stamps] == sorted(
        (stamp.at, stamp.sequence) for stamp in stamps
    )


def test_an_opaque_version_sorts_by_its_time_alone() -> None:
    meta = {"versionId": "a7", "lastUpdated": "2026-01-15T10:00:00Z"}
    assert observed(encounter(meta=meta)).stamp.sequence == 0


def test_without_a_version_the_receipt_decides_only_where_the_profile_says_so() -> None:
    document = encounter(meta=None)
    assert reason(document)[1] == "version-missing"
    said = observed(document, unversioned="receipt")
    assert (said.recorded_rule, said.stamp.at) == ("receipt", NOW)


def test_a_bundle_that_was_stamped_tells_when_its_encounter_was_said() -> None:
    said = observed(bundle("batch", encounter(meta=None), timestamp="2026-01-15T10:00:00Z"))
    assert said.recorded_rule == "Bundle.timestamp"
    found = bundle("searchset", encounter(meta=None), timestamp="2026-01-15T10:00:00Z")
    assert reason(found)[1] == "version-missing"  # when it was searched says nothing


def test_the_same_version_is_the_same_observation_by_whatever_channel() -> None:
    document = encounter(location=[at("A")])
    shuffled = dict(reversed(document.items()))
    ids = {
        observed(each).id
        for each in (
            document,
            shuffled,
            json.dumps(document, indent=4).encode(),
            bundle("transaction", document),
            bundle("searchset", document, timestamp="2026-01-15T10:00:00Z"),
        )
    }
    assert len(ids) == 1
    assert observed(encounter(2, location=[at("A")])).id not in ids


def test_the_same_version_tells_more_once_its_reference_resolves() -> None:
    document = encounter(location=[at("b", "planned")])
    ward = {"resourceType": "Location", "id": "b", "identifier": [{"value": "W"}]}
    assert observed(document).id != observed(bundle("collection", document, ward)).id


def test_another_profile_keeps_the_id() -> None:
    document = encounter(location=[at("A"), at("B", "reserved")])
    assert observed(document).id == observed(document, reserved_marks=True, claims=["mark"]).id


def test_the_visit_key_is_one_rule_and_never_a_fallback() -> None:
    document = encounter(identifier=[{"value": "77", "system": "urn:x"}])
    assert reason(document)[1:] == ("visit-missing", "Encounter.identifier")
    assert observed(document, visit={"type": None}).visit == "77@urn:x"
    assert observed(document, visit={"type": None, "system": "urn:x"}).visit == "77@urn:x"
    assert reason(document, visit={"type": None, "system": "urn:y"})[1] == "visit-missing"
    assert observed(document, visit={"by": "id"}).visit == "e1"
    two = encounter(identifier=[{"value": "77"}, {"value": "78"}])
    assert reason(two, visit={"type": None})[1] == "visit-ambiguous"


def test_degraded_is_what_only_the_lean_reader_accepts() -> None:
    document = encounter(wardOfHope="W", location=[at("A")])
    found = outcome(document)
    assert (found.verdict.value, found.degraded) == ("accepted", "Encounter.wardOfHope")
    assert not found.warnings
    assert outcome(document, check="lean").degraded is None
    assert outcome(encounter()).degraded is None


def test_a_message_is_used_whole_or_not_at_all() -> None:
    header = {"resourceType": "MessageHeader", "focus": []}
    good, bad = encounter(), encounter(id="e2", status="here")
    assert reason(bundle("message", header, good, bad))[:2] == ("review", "status-unknown")
    assert len(outcome(bundle("collection", good, bad)).observations) == 1


def test_two_resources_of_one_id_lead_nowhere() -> None:
    document = encounter(location=[at("b")])
    wards = [
        {"resourceType": "Location", "id": "b", "identifier": [{"value": name}]} for name in "VW"
    ]
    place = claimed(bundle("collection", document, *wards)).place
    assert place is not None
    assert place.ward == "b"  # only the reference's own id is left


def test_the_reader_keeps_nothing_between_inputs() -> None:
    reader = normaliser()
    patient = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "1"}]}
    document = encounter(subject={"reference": "Patient/p"})
    whole = json.dumps(bundle("transaction", patient, document)).encode()
    assert reader.normalise(whole, NOW).observations
    alone = reader.normalise(json.dumps(document).encode(), NOW)
    assert alone.reason == "reference-unresolved"


def test_every_refusal_has_an_answer_of_a_client_or_server_error() -> None:
    assert all(answer.status >= 400 for answer in ANSWERS.values())


@pytest.mark.parametrize(
    "ending", [b'"' + b'\\"' * 400_000, b'"\\' * 250_000, b'"' * 800_000, b'"a' * 400_000],
    ids=["escaped quotes", "escaped ends", "quotes", "texts"],
)  # fmt: skip
def test_no_body_is_looked_at_more_than_once(ending: bytes) -> None:
    """Each of these takes hours where it is looked at anew from each sign."""
    assert reason(b'{"resourceType":"Encounter","a":[' + b"[]," * 101 + ending)[1] == "not-json"


def test_what_is_referred_to_again_and_again_is_looked_at_once() -> None:
    contained = [{"resourceType": "Location", "id": str(n)} for n in range(4_000)]
    entries = [{"location": {"reference": "#none"}} for _ in range(4_000)]
    found = outcome(encounter(contained=contained, location=entries), check="lean")
    assert [each.reason for each in found.warnings] == ["ward-unknown"]
