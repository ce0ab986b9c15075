"""How many places are free, and that who may know it hears when it changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.encounter import EncounterView, Phase
from schemas.fields import Level
from schemas.observation import Location, Protection
from schemas.ward import Ward, WardRegister
from tests.wardbridge.test_audit import BEARER, gate
from tests.wardbridge.test_census import census, kept, stored, view
from tests.wardbridge.test_http import AT, Surface, notice, row, stream, surface, until
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.occupancy import Occupancy, occupancies

HERE = Location(ward="MED")
REGISTER = WardRegister([Ward(id="MED", name="Medicin", hospital="Norr", places=2),
                         Ward(id="KIR", name="Kirurgi", hospital="Norr")])  # fmt: skip
STOCKHOLM = ZoneInfo("Europe/Stockholm")


def lying(visit: str, **changed: Any) -> EncounterView:
    return view(visit, **{"place": HERE, "mark": None, "planned_discharge_at": None, **changed})


def at(moment: datetime = AT) -> Callable[[], datetime]:
    return lambda: moment


NOW = at()


def occupancy(
    found: Census, ward: str = "MED", now: Callable[[], datetime] = NOW, zone: ZoneInfo = STOCKHOLM
) -> Occupancy:
    return occupancies(Board(), found, REGISTER, now, zone)(ward)


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({}, 1),
        ({"on_leave": True}, 1),
        ({"protection": Protection.PROTECTED}, 1),
        ({"visit_class": "I"}, 1),
        ({"visit_class": "E"}, 1),
        ({"visit_class": "O"}, 0),
        ({"visit_class": "P"}, 0),
        ({"phase": Phase.PLANNED}, 0),
        ({"phase": Phase.DISCHARGED}, 0),
        ({"phase": Phase.CANCELLED}, 0),
        ({"place": Location(ward="KIR")}, 0),
        ({"place": None}, 0),
        ({"source": "not-believed"}, 0),
        ({"patient": "key-1"}, 0),  # another visit of one who lies there
    ],
)
def test_who_holds_a_place(changed: dict[str, Any], held: int) -> None:
    found = occupancy(census(lying("1"), lying("2", **changed)))
    assert (found.occupied, found.free) == (1 + held, 1 - held)


def test_an_overcrowded_ward_has_fewer_than_none() -> None:
    found = occupancy(census(*(lying(number) for number in "123")))
    assert (found.places, found.occupied, found.free) == (2, 3, -1)


def test_what_is_not_known_is_none_and_an_empty_ward_is_known() -> None:
    nobody = lying("1", place=None)
    for silent in (census(), census(nobody), census(lying("1"), believed=None)):
        found = occupancy(silent)
        assert (found.places, found.occupied, found.free, found.told_at) == (2, None, None, None)
    without = occupancy(census(lying("1")), "KIR")
    assert (without.places, without.occupied, without.free) == (None, 0, None)
    empty = occupancy(census(lying("1", place=Location(ward="KIR"))))
    assert (empty.occupied, empty.free) == (0, 2)


def test_today_ends_at_midnight_where_the_hospital_is_and_whoever_is_overdue_leaves_today() -> None:
    midnight = datetime(2026, 1, 15, 23, tzinfo=UTC)  # in Stockholm
    planned = [AT - timedelta(days=1), midnight - timedelta(seconds=1), midnight]
    found = census(*(lying(str(n), planned_discharge_at=p) for n, p in enumerate(planned)))
    assert occupancy(found).leaving_today == 2
    assert occupancy(found, zone=ZoneInfo("UTC")).leaving_today == 3
    assert occupancy(found, now=at(midnight)).leaving_today == 3
    # the day that summer time begins has 23 hours
    spring = datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC)
    found = census(lying("1", planned_discharge_at=spring))
    morning = at(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
    assert occupancy(found, now=morning).leaving_today == 1
    found = census(lying("1", planned_discharge_at=spring + timedelta(seconds=1)))
    assert occupancy(found, now=morning).leaving_today == 0


def test_it_is_as_old_as_what_its_source_said_last() -> None:
    later = AT + timedelta(minutes=5)
    found = census(lying("1"), lying("2", last_at=later), lying("3", source="other", last_at=later + later.resolution))  # fmt: skip
    found.set_row(stored(lying("2"), gone=True))
    assert occupancy(found).told_at == later


@given(
    st.lists(
        st.tuples(
            st.sampled_from("1234"),
            st.sampled_from(["MED", "KIR", None]),
            st.sampled_from([Phase.PLANNED, Phase.ACTIVE, Phase.DISCHARGED]),
            st.booleans(),
        )
    )
)
def test_the_numbers_are_those_of_the_newest_views(
    told: list[tuple[str, str | None, Phase, bool]],
) -> None:
    found, newest = census(), dict[str, str | None]()
    for visit, ward, phase, gone in told:
        place = Location(ward=ward) if ward else None
        found.set_row(stored(lying(visit, place=place, phase=phase), gone=gone))
        newest[visit] = ward if phase is Phase.ACTIVE and not gone else None
    lies = list(newest.values())
    known = lies.count("MED") + lies.count("KIR") > 0
    for ward in ("MED", "KIR"):
        assert occupancy(found, ward).occupied == (lies.count(ward) if known else None)


@pytest.mark.parametrize("fields", ["minimal", "operational"])
def test_who_may_know_it_hears_of_each_change_once_and_reads_the_same(fields: Level) -> None:
    """Of a change that a ward does not see (another doctor) nobody hears; ``notice`` ends the hearing."""

    async def check() -> None:
        records = [row("MED", "7"), kept(lying("1"))]
        async with surface(
            *records, register=REGISTER, gate=gate(fields), census=census()
        ) as running:
            running.client.headers.update(BEARER)
            before = await free(running)
            async with stream(running, "/v1/wards/MED/stream") as events:
                heard = []
                for said in (
                    kept(lying("2", on_leave=True)),
                    kept(lying("1", admitting_doctor="Anna")),
                    kept(lying("3")),
                    row("MED", "8"),
                ):
                    running.log.append([said])
                    heard += await until_notice(running, events)
            if fields == "minimal":
                assert (before, await free(running), heard) == (None, None, [])
                return
            assert before == {
                "ward": "MED", "places": 2, "occupied": 1, "free": 1, "on_leave": 0,
                "leaving_today": 0, "on_the_way": 1, "told_at": "2026-01-15T08:00:00Z"}  # fmt: skip
            assert [(each["free"], each["on_leave"], each["on_the_way"]) for each in heard] == [
                (0, 1, 1), (-1, 1, 1), (-1, 1, 2)]  # fmt: skip
            assert heard[-1] == await free(running)

    asyncio.run(check())


def test_what_changed_while_nobody_listened_is_told_to_who_comes_next() -> None:
    async def check() -> None:
        two, alone = [kept(lying("1")), kept(lying("2"))], [kept(lying("2", place=None))]
        async with surface(
            *two, register=REGISTER, gate=gate("operational"), census=census()
        ) as running:
            running.client.headers.update(BEARER)
            for _ in range(2):  # both hear the same number, which between them was another
                async with stream(running, "/v1/wards/MED/stream") as events:
                    running.log.append(alone)
                    (heard,) = await until_notice(running, events)
                    assert heard["free"] == 1
                await until(lambda: running.hub.listeners() == 0)
                running.log.append(two)
                await until(lambda: running.hub.occupancy is not None and running.hub.occupancy("MED").free == 0)  # fmt: skip

    asyncio.run(check())


async def free(running: Surface) -> Any:
    return (await running.get("/v1/wards/MED/inbound"))["occupancy"]


async def until_notice(running: Surface, events: AsyncIterator[dict[str, str]]) -> list[Any]:
    """What is told of places until a notice is, which comes after what was appended before it."""
    sequence = running.hub.board.last_id("MED").sequence + 1
    running.log.append([notice("MED", sequence)])
    found = []
    async for event in events:
        if event.get("event") == "occupancy":
            found.append(json.loads(event["data"]))
        elif "id" in event:
            break
    return found
