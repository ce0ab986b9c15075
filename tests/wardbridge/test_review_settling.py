"""Review over HTTP: whose data an audit entry names, and what a replay waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest

from tests.reviewing.hospital import Hospital
from tests.reviewing.test_replay import MARKED, WARDS, encounter_of, listing
from tests.reviewing.test_routers_items import merge
from tests.support.histories import Visit, message
from tests.wardbridge.test_review_routes import Desk, hospital, run

__all__ = ["hospital"]


def _refused(hospital: Hospital, **said: object) -> None:
    stay = encounter_of("V7", "W1", hospital.start)
    assert isinstance(stay, dict)
    hospital.fhir(stay | said)


def _said(hospital: Hospital, event: str, visit: str = "V7", ward: str = "") -> bytes:
    return message(Visit(visit, hospital.start - timedelta(hours=1)), event, "1", ward=ward)


NAMED: Final[dict[str, tuple[Callable[[Hospital], None], bool]]] = {
    "a plan without a ward": (lambda h: h.hl7(_said(h, "A15").replace(b"AKM^1^A", b"")), True),
    "a stay without a visit": (lambda h: h.hl7(_said(h, "A01").replace(b"|V7|", b"||")), True),
    "a swap": (lambda h: h.hl7(_said(h, "A17")), True),
    "a stay of nobody": (lambda h: h.hl7(_said(h, "A01").replace(b"PV7^^^LAB^MR", b"")), False),
    "no message": (lambda h: h.hl7(b"PV7, please"), False),
    "a status that is none": (lambda h: _refused(h, status="odd"), True),
    "a resource of nobody": (lambda h: _refused(h, subject=None), False),
    "a row with too many cells": (
        lambda h: h.export(listing(MARKED, start=h.start).replace(b";TEST-1;", b";TEST-1;;")), False,
    ),
    "two rows of one patient": (
        lambda h: h.export(listing(MARKED._replace(bed="2"), MARKED, start=h.start)), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_of_what_could_not_be_used_the_patient_is_noted_whom_its_bytes_name(
    hospital: Hospital, name: str
) -> None:
    send, is_named = NAMED[name]
    send(hospital)
    waiting = next(each for each in hospital.open() if each.withheld)

    async def check(desk: Desk) -> None:
        (await desk.get(f"/inputs/{waiting.id}")).raise_for_status()
        (entry,) = desk.audit()
        assert {each.visit.visit for each in entry.seen} == {""}
        assert [each.patient is not None for each in entry.seen] == [is_named]

    run(hospital, check)


@pytest.mark.parametrize(
    ("name", "mended", "became"),
    [
        ("an export", ("E9",), "resolved"),
        ("an export", (), "remains"),
        ("a merge", (), "remains"),
        ("a message", ("W9",), "resolved"),
        ("a message of another", ("W9",), "resolved remains"),
        ("an export", (), "asked"),
    ],
)
def test_what_feeds_and_router_make_of_a_replay_is_waited_for(
    hospital: Hospital, name: str, mended: tuple[str, ...], became: str
) -> None:
    DECIDED_LATER[name](hospital)
    hospital.route()
    hospital.restart(*WARDS, *mended)

    async def check(desk: Desk) -> None:
        wait_s = 0.2 if became == "asked" else 60
        asked = asyncio.create_task(desk.post("replay", all=True, by="Anna", wait_s=wait_s))
        while not asked.done():
            if became != "asked":
                hospital.exports()
                hospital.route()
            await asyncio.sleep(0.02)
        done = (await asked).raise_for_status().json()
        assert " ".join(each["became"] for each in done["items"]) == became
        assert done["met"] == []

    run(hospital, check)


def _of_another(hospital: Hospital) -> None:
    """The visit is somebody else's: the router says so as soon as the message can be read."""
    hospital.say("A01", "V7", place="AKM", minute=1)
    other = message(Visit("V7", hospital.start, "AKM"), "A14", "M2", ward="W9")
    hospital.hl7(other.replace(b"PV7^", b"PX7^"))


def _circle(hospital: Hospital) -> None:
    merge(hospital, "D", "C", 1)
    merge(hospital, "C", "D", 2)


DECIDED_LATER: Final[dict[str, Callable[[Hospital], None]]] = {
    "an export": lambda hospital: hospital.export(listing(MARKED, start=hospital.start)),
    "a merge": _circle,
    "a message": lambda hospital: hospital.say("A14", "V7", "W9"),
    "a message of another": _of_another,
}
