"""One Encounter's troubles are one item each, whatever it comes in; and what may be a mark."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.common.outcome import InputOutcome
from adapters.fhir.said import may_mark, statement_of_input
from schemas.ward import Ward, WardRegister
from tests.fhir.lab import Json, at, bundle, encounter, outcome

CLOSED = WardRegister([Ward(id="W1", name="One", hospital="North")])
UNKNOWN = encounter(location=[at("NOWHERE", "planned")])
WITHOUT_VISIT = encounter(identifier=[], location=[at("W1", "planned")])


def about(found: InputOutcome) -> set[tuple[str, str, str | None, bool]]:
    """Of each trouble: the statement, the reason, the place in the Encounter, whether a mark."""
    troubles = [found.trouble, *found.warnings] if found.trouble else found.warnings
    return {(each.statement, each.reason, each.within, each.mark_unread) for each in troubles}


def test_alone_or_anywhere_in_a_bundle_it_is_the_same_trouble() -> None:
    other = encounter(identifier=[{"type": {"coding": [{"code": "VN"}]}, "value": "V2"}])
    alone = outcome(UNKNOWN, CLOSED)
    (trouble,) = about(alone)
    assert trouble[1:] == ("ward-unknown", ".location[0].location", True)
    for kind in ("batch", "collection", "searchset"):
        for resources in ([UNKNOWN], [other, UNKNOWN], [other, other, UNKNOWN]):
            found = outcome(bundle(kind, *resources, total=7), CLOSED)
            assert about(found) == {trouble}
            assert trouble[0] in found.parts
            assert len(found.parts) == len(resources)
    assert alone.parts == (trouble[0],)


def test_an_encounter_that_is_withheld_beside_others_is_told_from_them() -> None:
    found = outcome(bundle("batch", UNKNOWN, WITHOUT_VISIT), CLOSED)
    assert {each[1:] for each in about(found)} == {
        ("visit-missing", ".identifier", True),
        ("ward-unknown", ".location[0].location", True),
    }
    assert len({each[0] for each in about(found)}) == 2
    assert {each[0] for each in about(found)} == set(found.parts)


def test_of_a_transaction_that_is_refused_no_part_counts_as_looked_at() -> None:
    found = outcome(bundle("collection", WITHOUT_VISIT), CLOSED)
    assert found.parts == ()


def statement(document: Any) -> str:
    return statement_of_input(b"", document)


def test_two_bundles_that_say_the_same_are_one_statement() -> None:
    one = bundle("searchset", UNKNOWN)
    again = {**one, "id": "b2", "total": 3, "timestamp": "2026-01-15T12:00:00Z", "link": []}
    assert statement(one) == statement(again)
    assert statement(one) != statement(bundle("searchset", encounter()))
    assert statement(UNKNOWN) != statement({**UNKNOWN, "id": "e2"})
    assert statement_of_input(b"a", None) != statement_of_input(b"b", None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, True),  # it could not be read
        (encounter(location=[at("W1", "planned")]), True),
        (encounter(location=[at("W1", "reserved")]), True),
        (encounter(status="planned"), True),
        (bundle("batch", encounter(), encounter(location=[at("W1", "planned")])), True),
        (encounter(location=[at("W1")]), False),
        (encounter(status=["planned"]), False),
        (bundle("batch"), False),
        ({"resourceType": "Patient"}, False),
    ],
)
def test_what_is_not_used_may_be_a_mark_where_a_planned_place_stands_in_it(
    document: Json | None, *, expected: bool
) -> None:
    assert may_mark(document) is expected


def test_a_withheld_encounter_without_a_planned_place_is_no_mark() -> None:
    found = outcome(bundle("batch", encounter(), encounter(identifier=[])), CLOSED)
    assert [each[3] for each in about(found) if each[1] == "visit-missing"] == [False]
