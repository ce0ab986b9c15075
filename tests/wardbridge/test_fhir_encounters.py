"""The Encounters that notifications name: whom they are for, and how much of them."""

from __future__ import annotations

import asyncio

import pytest

from bus.port import Record
from router.delivery.resources import encounter_id
from schemas import topics
from schemas.audit import Action
from schemas.base import VisitRef
from schemas.encounter import EncounterView, Mark, Phase
from schemas.observation import Location, Protection
from tests.wardbridge.test_census import kept, view
from tests.wardbridge.test_fhir_surface import address, asked, audited, closed, get
from tests.wardbridge.test_http import AT, Surface, data, notice, row
from tests.wardbridge.test_identities import described, record


def test_an_encounter_is_read_under_the_readers_rights_and_what_is_not_theirs_is_not_there() -> (
    None
):
    async def work(running: Surface) -> None:
        known = address(data("MED", 1))
        found = await get(running, known)
        assert found.headers["cache-control"] == "no-store"
        resource = found.json()
        assert resource["location"][0]["status"] == "planned"
        assert resource["meta"]["lastUpdated"] == "2026-01-15T08:00:00Z"
        assert (await get(running, known, "screen")).json() == resource
        other = await get(running, address(data("KIR", 1)))
        nowhere = await get(running, "Encounter/" + "0" * 16 + "-" + "0" * 32)
        shapeless = await get(running, "Encounter/4711")
        assert {each.status_code for each in (other, nowhere, shapeless)} == {404}
        assert other.json() == nowhere.json() == shapeless.json()
        assert set(audited(running)) == {
            ("portal", Action.READ), ("screen", Action.READ), ("portal", Action.REFUSED),
        }  # fmt: skip

    asked(work, notice("MED", 1), row("MED", "1"), notice("KIR", 1), row("KIR", "1"))


def test_who_is_quicker_than_the_board_waits_for_it() -> None:
    async def work(running: Surface) -> None:
        reading = asyncio.create_task(get(running, address(data("MED", 1))))
        await asyncio.sleep(0)
        running.log.append([notice("MED", 1), row("MED", "1")])
        assert (await reading).status_code == 200

    asked(work)


def test_of_one_that_has_closed_it_is_told_how() -> None:
    async def work(running: Surface) -> None:
        await running.until_seen(2)
        resource = (await get(running, address(data("MED", 1)))).json()
        assert "location" not in resource
        assert [each["code"] for each in resource["meta"]["tag"]] == [
            "withdrawn", "redesignated", "MED",
        ]  # fmt: skip
        assert resource["meta"]["versionId"] == "2"

    event = closed("MED", 2)
    last = notice("MED", 2)._replace(value=event.model_dump_json().encode())
    asked(work, notice("MED", 1), row("MED", "1"), last, row("MED", "1", gone=True))


@pytest.mark.parametrize(
    ("protection", "lies_at"),
    [(Protection.NONE, ["MED", "KIR"]), (Protection.CONFIDENTIAL, ["MED"])],
)
def test_where_the_patient_lies_is_for_operational_fields_and_never_of_a_protected_person(
    protection: Protection, lies_at: list[str]
) -> None:
    async def work(running: Surface) -> None:
        known = address(data("MED", 1))
        for by, wards, status in (
            ("portal", ["MED"], "planned"),
            ("region", lies_at, "in-progress" if len(lies_at) > 1 else "planned"),
        ):
            resource = (await get(running, known, by)).json()
            found = [each["location"]["identifier"]["value"] for each in resource["location"]]
            assert (found, resource["status"]) == (wards, status)

    view = EncounterView(
        source="ehr", visit="1", patient="k", phase=Phase.ACTIVE, place=Location(ward="KIR"),
        mark=Mark(to=Location(ward="MED")), protection=protection, last_at=AT,
    )  # fmt: skip
    stay = Record(topics.ENCOUNTERS, "lab", "ehr|1", view.model_dump_json().encode())
    asked(work, notice("MED", 1), row("MED", "1"), stay)


def test_an_open_one_whose_notice_is_no_longer_kept_is_there_without_a_time() -> None:
    async def work(running: Surface) -> None:
        visit = VisitRef(source="ehr", visit="9")
        found = (await get(running, f"Encounter/{encounter_id(visit, 'MED')}")).json()
        assert "lastUpdated" not in found["meta"]

    asked(work, row("MED", "9"))


@pytest.mark.parametrize("protection", Protection)
def test_who_it_is_stands_in_the_encounter_for_those_who_may_read_it(
    protection: Protection,
) -> None:
    async def work(running: Surface) -> None:
        path = address(data("MED", 1))
        mine = (await get(running, path, "chief")).json()
        assert mine["subject"]["reference"] == "#" + mine["contained"][0]["id"]
        assert mine["contained"][0]["name"] == [{"family": "Testsson"}]
        is_masked = protection is not Protection.NONE
        assert ("security" in mine["meta"]) == is_masked
        assert [each["status"] for each in mine["location"]] == ["planned", "active"]
        theirs = (await get(running, path, "region")).json()
        assert [each["status"] for each in theirs["location"]] == ["planned"] + ["active"] * (
            not is_masked
        )
        for by in ("region", "portal"):
            text = (await get(running, path, by)).raise_for_status().text
            assert not any(word in text for word in ("contained", "subject", "Testsson"))

    who = record(described(family="Testsson"))
    asked(work, who, kept(view(protection=protection)), row("MED", "1"))
