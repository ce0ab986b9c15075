"""Who has seen what of whom is noted, and what must not be seen unnoted is not shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.common.tokens import hash_of
from bus.memory import MemoryLog
from bus.port import Log, LogError
from bus.records import records_of
from schemas import topics
from schemas.audit import AuditEntry
from schemas.encounter import EncounterView
from schemas.fields import Identity, Level
from schemas.identifiers import IdentifierKind
from schemas.notification import DesignationData
from tests.wardbridge.test_acknowledging import path, row
from tests.wardbridge.test_http import AT, data, notice, notices, refuse, stream, surface
from wardbridge.config.authorisation import ANYBODY, Grant, Reader
from wardbridge.readmodels.census import Census
from wardbridge.security import audit
from wardbridge.security.audit import MAX_REMEMBERED, MAX_SEEN, ShownRow, Trail
from wardbridge.security.authenticator import Authenticator, Credentials

TOKEN = "a-token-for-the-tests"  # noqa: S105 - it opens nothing
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def gate(fields: Level) -> Authenticator:
    grant = Grant(fields=fields, may=frozenset({"read", "acknowledge", "operate"}))
    reader = Reader("anna", "token", (grant,), "MED")
    known = Credentials({"anna": (hash_of(TOKEN), reader)}, {}, None, 30)
    return Authenticator(known, lambda _: None, lambda: datetime.now(UTC))


def entries(log: Log) -> list[AuditEntry]:
    return [AuditEntry.model_validate_json(r.value or b"") for r in records_of(log, topics.AUDIT)]


def told(log: Log) -> list[tuple[str, list[str]]]:
    return [
        (entry.action.value, [each.visit.visit for each in entry.seen]) for entry in entries(log)
    ]


def test_a_list_that_is_read_is_noted_with_who_where_when_and_whom() -> None:
    async def check() -> None:
        census = Census(lambda _: "ehr")
        view = EncounterView(source="ehr", visit="4711", patient="key-1", last_at=AT)
        kept = row()._replace(
            topic=topics.ENCOUNTERS, key="ehr|4711", value=view.model_dump_json().encode()
        )
        async with surface(row(), row(visit="4712"), kept, gate=gate("operational"), census=census) as running:  # fmt: skip
            running.client.headers.update(BEARER)
            await running.get("/v1/wards/MED/inbound")
            (entry,) = entries(running.log)
            assert (entry.reader, entry.how, entry.unit, entry.ward, entry.fields) == (
                "anna", "token", "MED", "MED", "operational",
            )  # fmt: skip
            assert {(each.visit.visit, each.patient) for each in entry.seen} == {
                ("4711", "key-1"), ("4712", None),
            }  # fmt: skip
            await running.get("/v1/wards/MED/inbound")
            await running.get("/v1/wards/KIR/inbound")  # nobody: nothing of anybody is seen
            assert len(entries(running.log)) == 1
            running.log.append([row(2), notice("MED", 1)])
            await running.until_seen(1)
            await running.get("/v1/wards/MED/inbound")
            assert told(running.log)[1:] == [("listed", ["4711"])]

    asyncio.run(check())


def test_notices_and_deeds_are_noted() -> None:
    async def check() -> None:
        async with surface(row(), notice("MED", 1, "4711"), gate=gate("minimal")) as running:
            running.client.headers.update(BEARER)
            async with stream(running, "/v1/wards/MED/stream", after=0) as events:
                await notices(events, 1)
            await running.client.post(path())
            resent = await running.client.post("/v1/subscribers/portal/deliveries/7")
            assert resent.status_code == 404
            assert told(running.log) == [("streamed", ["4711"]), ("acknowledged", ["4711"])]

    asyncio.run(check())


@pytest.mark.parametrize(("fields", "expected"), [("operational", 503), ("minimal", 200)])
def test_what_goes_beyond_the_minimum_is_not_shown_unnoted(fields: Level, expected: int) -> None:
    async def check() -> None:
        async with surface(row(), gate=gate(fields)) as running:
            running.client.headers.update(BEARER)
            with pytest.MonkeyPatch.context() as broken:
                broken.setattr(running.log, "append", refuse)
                broken.setattr(running.log, "submit", refuse)
                for _ in range(2):  # nor the second time
                    answer = await running.client.get("/v1/wards/MED/inbound")
                    assert answer.status_code == expected
                    assert ("4711" in answer.text) == (expected == 200)
            await running.get("/v1/wards/MED/inbound")

    asyncio.run(check())


def test_where_nobody_is_asked_nobody_is_noted() -> None:
    async def check() -> None:
        async with surface(row(), notice("MED", 1)) as running:
            await running.get("/v1/wards/MED/inbound")
            async with stream(running, "/v1/wards/MED/stream", after=0) as events:
                await notices(events, 1)
            await running.client.post(path())
            assert entries(running.log) == []

    asyncio.run(check())


class Clock:
    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> datetime:
        return self.at


def reader(name: str) -> Reader:
    return Reader(name, "token", (Grant(may=frozenset({"read"})),))


def trail(log: Any, clock: Callable[[], datetime]) -> Trail:
    return Trail(log, clock, timedelta(hours=1))


def listed(
    by: Trail, who: Reader, ward: str, *rows: DesignationData, fields: Level = "minimal"
) -> None:
    asyncio.run(by.listed(who, ward, fields, [ShownRow(each.visit, each.version) for each in rows]))


def test_who_goes_on_seeing_the_same_is_noted_again_after_a_while_and_others_apart() -> None:
    log, clock = MemoryLog(1), Clock()
    by = trail(log, clock)
    one, two = data("MED", 1, "1"), data("MED", 1, "2")
    anna, bo = reader("anna"), reader("bo")
    listed(by, anna, "MED", one)
    listed(by, anna, "MED", one, two)
    listed(by, anna, "MED", two, one)
    listed(by, bo, "MED", one)
    listed(by, anna, "MED", one, fields="operational")
    clock.at += timedelta(minutes=59)
    listed(by, anna, "MED", one, two)
    assert [visits for _, visits in told(log)] == [["1"], ["2"], ["1"], ["1"]]
    clock.at += timedelta(minutes=1)
    listed(by, anna, "MED", one, two)
    assert told(log)[-1] == ("listed", ["1", "2"])
    listed(by, ANYBODY, "MED", one, two)
    assert len(entries(log)) == 5


def test_an_entry_that_was_not_written_is_counted_and_written_the_next_time() -> None:
    class Full(MemoryLog):
        is_full = True

        def submit(self, records: Any, on_done: Any) -> None:
            if self.is_full:
                on_done(LogError("full"))
            else:
                super().submit(records, on_done)

    log = Full(1)
    by = trail(log, Clock())
    listed(by, reader("anna"), "MED", data("MED", 1))
    assert (by.failures, entries(log)) == (1, [])
    log.is_full = False
    listed(by, reader("anna"), "MED", data("MED", 1))
    assert len(entries(log)) == 1


def test_what_is_remembered_is_bounded_and_so_is_an_entry() -> None:
    log, clock = MemoryLog(1), Clock()
    by = trail(log, clock)
    for number in range(MAX_REMEMBERED + 5):
        by._remember(by._place(reader(str(number)), "MED", "minimal"), [])
    assert len(by._noted) == MAX_REMEMBERED
    by._noted.clear()
    with pytest.MonkeyPatch.context() as few:
        few.setattr(audit, "MAX_NOTED", 5)
        for number in range(4):
            listed(by, reader(str(number)), "MED", data("MED", 1, "1"), data("MED", 1, "2"))
        assert [place.reader for place in by._noted] == ["2", "3"]
    rows = [data("MED", 1, str(number)) for number in range(MAX_SEEN + 1)]
    listed(by, reader("anna"), "MED", *rows)
    assert [len(entry.seen) for entry in entries(log)][-2:] == [MAX_SEEN, 1]


IDENTITY = Identity(number="4711", kind=IdentifierKind.LOCAL, family="Andersson")


@pytest.mark.parametrize(
    "later",
    [
        ("key-1", IDENTITY), ("key-2", None), ("key-2", IDENTITY), ("key-1", IDENTITY.model_copy(update={"given": "Bo"})),
    ],
    ids=["the name", "another patient", "another patient by name", "the given name"],
)  # fmt: skip
def test_an_identity_that_becomes_visible_later_is_noted_when_it_is_shown(
    later: tuple[str, Identity | None],
) -> None:
    """The patient's row came after the visit's, after a restart or with a merge: nothing else has changed."""
    patients = {"1": "key-1"}
    log = MemoryLog(1)
    by = Trail(log, Clock(), timedelta(hours=1), lambda visit: patients.get(visit.visit))
    visit = data("MED", 1, "1").visit

    def shown(identity: Identity | None) -> None:
        asyncio.run(by.listed(reader("anna"), "MED", "identified", [ShownRow(visit, 1, identity)]))

    before = IDENTITY if later[1] not in {None, IDENTITY} else None
    shown(before)
    shown(before)
    assert [each.patient for entry in entries(log) for each in entry.seen] == ["key-1"]
    patients["1"] = later[0]
    shown(later[1])
    shown(later[1])
    assert [each.patient for entry in entries(log) for each in entry.seen] == ["key-1", later[0]]
