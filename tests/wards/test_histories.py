"""Whole days, sent as ADT with half of all pairs in one second, against what was meant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tests.router.hearing import Router
from tests.router.test_invariants import Tally, assert_incremental_is_refold, assert_well_formed
from tests.wards.histories import Day
from tests.wards.hospital import Hospital
from tests.wards.sender import START, Sender

ZONE = ZoneInfo("Europe/Stockholm")
PROFILE = "future_s = 0"


def utc(wall: datetime) -> datetime:
    return wall.replace(tzinfo=ZONE).astimezone(UTC)


def lived(hospital: Hospital, random: Random, *, with_ids: bool) -> tuple[Day, datetime]:
    """A day as it is sent, with ticks and restarts in between."""
    sender = Sender(random)
    day = Day(random, "V1", with_ids, sender)
    for _ in range(random.randint(4, 30)):
        sent = len(day.messages)
        day.act()
        hospital.send(*day.messages[sent:], late_by=timedelta(milliseconds=1))
        if random.random() < 0.15:
            hospital.tick(utc(sender.now))
            day.now = sender.now
        if random.random() < 0.1:
            hospital.router.restart()
    end = sender.now + timedelta(seconds=random.choice((0, 20, 100)))
    day.now = max(day.now, end)
    hospital.tick(utc(day.now))
    return day, utc(day.now)


def assert_as_meant(router: Router, day: Day) -> None:
    meant = day.meant
    assert router.wards == ([meant.awaited_in] if meant.awaited_in else [])
    views = list(router.encounters.values())
    if views and meant.phase != "unknown":
        (view,) = views
        assert (view["phase"] in ("discharged", "cancelled")) == (meant.phase == "gone")
        assert (view["place"] or {"ward": ""})["ward"] == (
            "" if meant.phase == "gone" else meant.place
        )


def test_wards_know_what_was_meant_in_whatever_order_it_arrives() -> None:
    tally, deeds = Tally("days of ADT"), Counter[str]()

    @given(st.integers(0, 2**64).map(Random), st.booleans())
    def holds(random: Random, with_ids: bool) -> None:  # noqa: FBT001 - drawn
        hospital = Hospital(PROFILE)
        day, end = lived(hospital, random, with_ids=with_ids)
        assert_as_meant(hospital.router, day)
        assert_well_formed(hospital.router.told)
        tally.extra["folds compared"] += assert_incremental_is_refold(hospital.router)
        crooked = list(hospital.observations)
        random.shuffle(crooked)
        router = Router()
        for each in crooked:
            router.hear(each)
            if random.random() < 0.1:
                router.tick(utc(START) + random.random() * (end - utc(START)))
                assert_incremental_is_refold(router)
        router.tick(end)
        assert_as_meant(router, day)
        assert router.encounters == hospital.router.encounters
        deeds.update(day.did)
        tally.count(hospital.router)

    holds()
    tally.report()
    print(dict(deeds))
