"""What a ward is told besides: only what its own source says, and nothing of protected persons."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.port import Record, Stored
from router.core.keys import joined
from schemas import topics
from schemas.alias import Alias
from schemas.authority import Authority, AuthorityEntry
from schemas.encounter import EncounterView, Mark, Phase
from schemas.fields import Level
from schemas.observation import Location, Protection
from schemas.ward import Ward, WardRegister
from tests.wardbridge.test_audit import BEARER, gate
from tests.wardbridge.test_http import AT, data, row, surface
from wardbridge.readmodels.census import Census, believed_by
from wardbridge.readmodels.disclosure import Disclosure

LEAVES = AT + timedelta(hours=6)
REGISTER = WardRegister(
    [
        Ward(id="MED", name="Medicin", hospital="Norr"),
        Ward(id="AKM", name="Akuten", hospital="Norr"),
    ]
)


def view(visit: str = "1", **changed: Any) -> EncounterView:
    said: dict[str, Any] = {
        "source": "ehr", "visit": visit, "patient": f"key-{visit}", "phase": Phase.ACTIVE,
        "place": Location(ward="AKM", room="7", bed="2"), "mark": Mark(to=Location(ward="MED")),
        "planned_discharge_at": LEAVES, "last_at": AT, **changed,
    }  # fmt: skip
    return EncounterView(**said)


def stored(of: EncounterView, *, gone: bool = False) -> Stored:
    value = None if gone else of.model_dump_json().encode()
    return Stored(topics.ENCOUNTERS, 0, 0, joined(of.source, of.visit), value, (), 0)


def census(*views: EncounterView, believed: str | None = "ehr") -> Census:
    found = Census(lambda _: believed)
    for each in views:
        found.set_row(stored(each))
    return found


def kept(of: EncounterView) -> Record:
    record = stored(of)
    return Record(topics.ENCOUNTERS, "lab", record.key, record.value)


def test_a_ward_is_told_where_from() -> None:
    stay = census(view()).beside(data("MED", 1))
    assert stay
    assert (stay.lies_at, stay.leaves_at) == ("AKM", LEAVES)


@pytest.mark.parametrize(
    ("changed", "believed"),
    [
        ({}, "another"),
        ({}, None),
        ({"mark": None}, "ehr"),
        ({"mark": Mark(to=Location(ward="KIR"))}, "ehr"),
        ({"mark": Mark(to=Location(ward="MED"), fulfilled=True)}, "ehr"),
        ({"phase": Phase.DISCHARGED}, "ehr"),
        ({"phase": Phase.CANCELLED}, "ehr"),
        ({"protection": Protection.CONFIDENTIAL}, "ehr"),
        ({"protection": Protection.UNKNOWN}, "ehr"),
        ({"protection": Protection.PROTECTED}, "ehr"),
        ({"visit": "2"}, "ehr"),
        ({"source": "other"}, "ehr"),
    ],
)
def test_a_ward_is_told_nothing_that_is_not_plainly_its_own(
    changed: dict[str, Any], believed: str | None
) -> None:
    found = Disclosure(census(view(**changed), believed=believed), REGISTER)
    assert found.beside(data("MED", 1), "operational").details is None


def test_a_row_that_is_protected_is_masked_whatever_the_view_says() -> None:
    protected = data("MED", 1).model_copy(update={"protected": True})
    assert Disclosure(census(view()), REGISTER).beside(protected, "operational").details is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from("123"),
            st.sampled_from(["MED", "AKM", None]),
            st.booleans(),
            st.booleans(),
        )
    )
)
def test_who_will_leave_a_ward_is_as_the_newest_views_say(
    told: list[tuple[str, str | None, bool, bool]],
) -> None:
    found, newest = census(), dict[str, EncounterView | None]()
    for visit, ward, leaves, gone in told:
        place = Location(ward=ward) if ward else None
        said = view(visit, place=place, planned_discharge_at=LEAVES if leaves else None)
        found.set_row(stored(said, gone=gone))
        newest[visit] = None if gone else said
    for ward in ("MED", "AKM"):
        expected = [each.planned_discharge_at for each in newest.values()
                    if each and each.place and each.place.ward == ward and each.planned_discharge_at]  # fmt: skip
        assert found.leaving(ward) == expected


def test_the_source_believed_is_that_of_the_realm_of_the_wards_hospital() -> None:
    def line(realm: str, source: str) -> Authority:
        later = AuthorityEntry(scope="ward", name="MED", source="new", effective_at=AT + timedelta(hours=1))  # fmt: skip
        return Authority(
            realm=realm, entries=(AuthorityEntry(scope="realm", name="", source=source), later)
        )

    moment = [AT]
    two = [(line("a", "ehr"), ("Norr",)), (line("b", "other"), ("Söder",))]
    believed = believed_by(two, REGISTER, lambda: moment[0])
    assert (believed("MED"), believed("AKM"), believed("of no hospital")) == ("ehr", "ehr", None)
    moment[0] += timedelta(hours=1)
    assert (believed("MED"), believed("AKM")) == ("new", "ehr")
    both = believed_by([(line("a", "ehr"), ()), (line("b", "other"), ())], REGISTER, lambda: AT)
    assert both("MED") is None  # who is believed cannot be told


@pytest.mark.parametrize("fields", ["minimal", "operational"])
def test_the_list_has_what_the_reader_may_see(fields: Level) -> None:
    async def check() -> None:
        records = [row("MED", "1"), row("MED", "2"), kept(view()), kept(view("2", protection=Protection.PROTECTED)),
                   kept(view("3", place=Location(ward="MED"), mark=None))]  # fmt: skip
        found = Census(lambda _: "ehr")
        async with surface(*records, register=REGISTER, gate=gate(fields), census=found) as running:
            running.client.headers.update(BEARER)
            answer = await running.get("/v1/wards/MED/inbound")
            details = {each["visit"]["visit"]: each["details"] for each in answer["patients"]}
            if fields == "minimal":
                assert (details, answer["planned_discharges"]) == ({"1": None, "2": None}, None)
                return
            assert details == {"2": None, "1": {
                "from_ward": "AKM", "from_name": "Akuten", "from_hospital": "Norr",
                "on_leave": None, "planned_discharge_at": "2026-01-15T14:00:00Z"}}  # fmt: skip
            assert answer["planned_discharges"] == ["2026-01-15T14:00:00Z"]
            assert "key-" not in str(answer)

    asyncio.run(check())


def test_a_patient_of_two_numbers_holds_one_place_and_is_masked_under_both() -> None:
    found = census(
        view("1", patient="key-1", place=Location(ward="MED"), visit_class="I", phase=Phase.ACTIVE),
        view("2", patient="key-2", place=Location(ward="MED"), visit_class="I", phase=Phase.ACTIVE,
             protection=Protection.PROTECTED),
    )  # fmt: skip
    for merged, patients, masked in ((None, 2, False), (False, 1, True), (True, 1, True)):
        if merged is not None:
            alias = Alias(realm="lab", source="ehr", number="key-1", patient="key-2", merged=merged)
            value = alias.model_dump_json().encode()
            found.aliases.set_row(Stored(topics.ALIASES, 0, 0, "lab|ehr|key-1", value, (), 0))
        presence = found.presence("MED", AT)
        assert presence is not None
        assert presence.patients == patients
        assert found.is_masked(data("MED", 1, "1")) == masked
