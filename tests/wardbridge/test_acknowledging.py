"""A ward takes note of who is coming: of one designation, once, told to everybody."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from bus.memory import MemoryLog
from bus.port import Record
from bus.records import records_of
from router.core.announce import notification_id
from router.core.designations import Name
from schemas import topics
from schemas.notification import Kind
from tests.wardbridge.test_http import (
    AT,
    Surface,
    data,
    ids,
    notice,
    over,
    refuse,
    stream,
    surface,
    until,
)

VISIT = "4711"


def row(
    version: int = 1, *, minutes: int = 0, ward: str = "MED", visit: str = VISIT, gone: bool = False
) -> Record:
    """A row of a ward's list, announced some minutes later than usual."""
    found = data(ward, 1, visit).model_copy(
        update={"version": version, "kind": Kind.CHANGED if version > 1 else Kind.DESIGNATED,
                "announced_at": AT + timedelta(minutes=minutes)}
    )  # fmt: skip
    value = None if gone else found.model_dump_json().encode()
    return Record(topics.INBOUND, ward, f"{ward}|ehr|{visit}", value)


def path(version: int = 1, ward: str = "MED") -> str:
    designation = notification_id(Name("ehr", VISIT, ward), version)
    return f"/v1/wards/{ward}/inbound/{designation}/acknowledgement"


async def acknowledged(running: Surface) -> Any:
    (patient,) = (await running.get("/v1/wards/MED/inbound"))["patients"]
    return patient["acknowledged"]


async def say(running: Surface, version: int = 1) -> Any:
    answer = await running.client.post(path(version))
    assert answer.status_code == 200
    await until(lambda: bool(running.hub.board._acknowledged))
    return answer.json()


def test_a_ward_says_once_that_it_knows_and_the_list_shows_it() -> None:
    async def check() -> None:
        async with surface(row()) as running:
            assert await acknowledged(running) is None
            said = await say(running)
            shown = await acknowledged(running)
            assert (shown["at"], shown["is_current"]) == (said["at"], True)
            assert (await running.client.post(path())).json() == said  # again: the first counts
            assert len(list(records_of(running.log, topics.ACKNOWLEDGEMENTS))) == 1

    asyncio.run(check())


def test_of_two_who_say_it_at_once_through_two_processes_the_first_counts_for_all() -> None:
    async def check() -> None:
        log = MemoryLog(1)
        log.append([row(), notice("MED", 1)])
        async with (
            over(log) as one,
            over(log) as other,
            stream(one, "/v1/wards/MED/stream") as at_one,
            stream(other, "/v1/wards/MED/stream") as at_other,
        ):
            answers = await asyncio.gather(*(each.client.post(path()) for each in (one, other)))
            (said,) = {answer.text for answer in answers}
            (kept, *_) = records_of(log, topics.ACKNOWLEDGEMENTS)
            assert json.loads(said) == json.loads(kept.value or b"")
            log.append([notice("MED", 2)])
            for running, events in ((one, at_one), (other, at_other)):
                shown = await acknowledged(running)
                assert (shown["at"], shown["is_current"]) == (json.loads(said)["at"], True)
                told = await event(events)
                assert (told["event"], json.loads(told["data"])) == ("acknowledged", json.loads(said))  # fmt: skip
                assert ids([await event(events)]) == [("message", "2")]  # and once only

    asyncio.run(check())


def test_the_id_in_the_list_is_the_one_of_the_notice() -> None:
    async def check() -> None:
        async with surface(row(3)) as running:
            (patient,) = (await running.get("/v1/wards/MED/inbound"))["patients"]
            assert patient["designation"] == notification_id(Name("ehr", VISIT, "MED"), 3)

    asyncio.run(check())


def test_it_survives_a_restart_of_whoever_shows_it() -> None:
    async def check() -> None:
        async with surface(row()) as running:
            said = await say(running)
            kept = [Record(r.topic, "lab", r.key, r.value) for r in
                    records_of(running.log, topics.ACKNOWLEDGEMENTS)]  # fmt: skip
        async with surface(row(), *kept) as again:
            assert (await acknowledged(again))["at"] == said["at"]

    asyncio.run(check())


def test_what_changes_since_is_shown_as_changed_and_can_be_acknowledged_anew() -> None:
    async def check() -> None:
        async with surface(row()) as running:
            await say(running)
            running.log.append([row(2), notice("MED", 2)])
            await running.until_seen(2)
            assert (await acknowledged(running))["is_current"] is False
            assert (await running.client.post(path(1))).status_code == 404  # not the newest
            await say(running, 2)
            await until(lambda: running.hub.board._acknowledged["MED|ehr|4711"].seen_version == 2)
            assert (await acknowledged(running))["is_current"] is True

    asyncio.run(check())


@pytest.mark.parametrize("is_read_together", [False, True])
def test_designated_again_it_is_not_acknowledged(*, is_read_together: bool) -> None:
    async def check() -> None:
        async with surface(row()) as running:
            await say(running)
            running.log.append([row(gone=True), notice("MED", 2)])
            if not is_read_together:
                await running.until_seen(2)
            running.log.append([row(3, minutes=5), notice("MED", 3)])
            await running.until_seen(3)
            assert await acknowledged(running) is None

    asyncio.run(check())


def test_an_acknowledgement_read_before_its_row_is_not_lost_with_the_row_before() -> None:
    async def check() -> None:
        async with surface(row(2, minutes=5)) as running:
            await say(running, 2)
            running.hub.board._forget("MED|ehr|4711")
            running.log.append([row(1), notice("MED", 1)])
            await running.until_seen(1)
            assert await acknowledged(running) is None

    asyncio.run(check())


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (path(2), 404),
        (path(ward="KIR"), 404),
        (path().replace("MED", "KIR"), 404),
        ("/v1/wards/MED/inbound/4711/acknowledgement", 422),
        (f"/v1/wards//inbound/{'0' * 32}/acknowledgement", 404),
    ],
)
def test_only_who_is_coming_can_be_acknowledged(asked: str, expected: int) -> None:
    async def check() -> None:
        async with surface(row()) as running:
            assert (await running.client.post(asked)).status_code == expected
            assert list(records_of(running.log, topics.ACKNOWLEDGEMENTS)) == []

    asyncio.run(check())


def test_listeners_are_told_and_keep_their_place() -> None:
    async def check() -> None:
        async with (
            surface(row(), notice("MED", 1)) as running,
            stream(running, "/v1/wards/MED/stream", after=0) as events,
        ):
            assert ids([await event(events)]) == [("message", "1")]
            said = await say(running)
            told = await event(events)
            assert (told["event"], "id" in told) == ("acknowledged", False)
            assert json.loads(told["data"]) == said
            running.log.append([notice("MED", 2)])
            assert ids([await event(events)]) == [("message", "2")]  # no gap, no reset

    asyncio.run(check())


async def event(events: Any) -> dict[str, str]:
    while not (found := await anext(events)):
        pass
    return dict(found)


def test_what_cannot_be_stored_is_not_said_to_be() -> None:
    async def check() -> None:
        async with surface(row()) as running:
            with pytest.MonkeyPatch.context() as broken:
                broken.setattr(running.log, "append", refuse)
                assert (await running.client.post(path())).status_code == 503
            assert await acknowledged(running) is None

    asyncio.run(check())
