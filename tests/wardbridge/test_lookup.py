"""What a subscriber is told beside a notice: never from a model that is behind it, never above its level."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from bus.memory import MemoryLog
from bus.port import LogError, Record, Stored, TopicPartition
from router.delivery.channel import MINIMAL
from schemas import topics
from schemas.encounter import Phase
from schemas.fields import Beside, Level, always
from schemas.notification import DesignationData, Kind, Reason
from schemas.observation import Protection
from tests.delivery.dispatching import QUICK, Endpoint, dispatching, sender_to
from tests.wardbridge.test_census import LEAVES, REGISTER, kept, stored, view
from tests.wardbridge.test_http import data, notice, until
from tests.wardbridge.test_identities import NAME, alias_record, described, record, stands_for
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.broadcaster import Broadcaster
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.disclosure_lookup import DisclosureLookup
from wardbridge.readmodels.identities import Identities
from wardbridge.readmodels.log_follower import LogFollower

LEVELS: tuple[Level, ...] = get_args(Level)


class Following:
    """A log that one tail follows, once it is started."""

    def __init__(self, log: MemoryLog) -> None:
        census = Census(lambda _: "ehr")
        known = Disclosure(census, REGISTER, Identities(census.aliases))
        hub = Broadcaster(Board(), known=known)
        self.tail = LogFollower(log, hub.take, wait_s=0.02, with_census=True, with_patients=True)
        self.lookup = DisclosureLookup(known, hub.board, self.tail)

    async def told(self, row: DesignationData, level: Level = "identified") -> Beside:
        """As a sender asks: now, and once what was waited for is there."""
        fields = self.lookup.up_to(always(level))
        if (found := fields.now(row, has_waited=False)) is not None:
            return found
        await fields.until_known(row)
        found = fields.now(row, has_waited=True)
        assert found is not None
        return found


@asynccontextmanager
async def following(log: MemoryLog) -> AsyncIterator[Following]:
    found = Following(log)
    await found.tail.start()
    try:
        yield found
    finally:
        await found.tail.stop()


def asked(log: MemoryLog, work: Callable[[Following], object]) -> None:
    async def run() -> None:
        async with following(log) as running:
            await until(lambda: running.tail.blocking() is None)
            await work(running)  # type: ignore[misc]

    asyncio.run(run())


def decided(visit: str = "1", sequence: int = 1, **of: object) -> list[Record]:
    """A commit of the router, and before it what an adapter wrote."""
    who = record(described(patient=f"key-{visit}", family=f"{NAME}-{visit}"))
    return [who, kept(view(visit, **of)), notice("MED", sequence, visit)]


def as_stored(of: Record) -> Stored:
    return Stored(of.topic, 0, 0, of.key, of.value, (), 0)


def row(visit: str = "1", sequence: int = 1, **changes: object) -> DesignationData:
    return data("MED", sequence, visit).model_copy(update=changes)


def test_whoever_is_decided_by_now_is_known_however_far_behind_the_tail_was() -> None:
    log = MemoryLog()

    async def work(running: Following) -> None:
        for number in range(1, 51):
            visit = str(number)
            log.append(decided(visit, number))
            found = await running.told(row(visit, number))
            assert found.patient is not None
            assert found.details is not None
            assert (found.patient.family, found.details.from_ward) == (f"{NAME}-{visit}", "AKM")
            assert (found.details.from_name, found.details.planned_discharge_at) == (
                "Akuten",
                LEAVES,
            )

    asked(log, work)


def test_a_notice_that_is_no_longer_kept_is_told_with_what_is_known() -> None:
    log = MemoryLog()
    log.append(decided())

    async def work(running: Following) -> None:
        assert (await running.told(row(sequence=7))).patient is not None
        assert (await running.told(row("unknown", 7))).patient is None

    asked(log, work)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("protection", "marked"), list(product(Protection, (False, True))))
def test_nobody_below_the_identified_level_is_told_of_a_protected_person(
    level: Level, protection: Protection, *, marked: bool
) -> None:
    log = MemoryLog()
    log.append(decided(protection=protection))

    async def work(running: Following) -> None:
        found = await running.told(row(protected=marked), level)
        is_masked = marked or protection is not Protection.NONE
        assert (found.patient is not None) == (level == "identified")
        shows = level == "identified" or (level == "operational" and not is_masked)
        assert (found.details is not None) == shows
        assert found.protected == (is_masked and level != "minimal")

    asked(log, work)


def test_it_is_known_of_whom_a_visit_was_that_is_over() -> None:
    log = MemoryLog()
    log.append(decided(phase=Phase.DISCHARGED, mark=None, protection=Protection.PROTECTED))

    async def work(running: Following) -> None:
        found = await running.told(row())
        assert found.patient is not None
        assert (found.patient.family, found.details, found.protected) == (f"{NAME}-1", None, True)
        log.append([Record(each.topic, each.route, each.key, None) for each in [kept(view("1"))]])
        log.append([notice("MED", 2)])
        assert (await running.told(row(sequence=2))).patient is None

    asked(log, work)


@pytest.mark.parametrize("by", ["designation", "other visit"])
def test_a_mark_that_came_since_counts_for_a_notice_that_is_told_again(by: str) -> None:
    log = MemoryLog()
    log.append(decided())

    async def work(running: Following) -> None:
        assert (await running.told(row(), "operational")).details is not None
        if by == "designation":
            said = row(sequence=2, protected=True)
            value = said.model_dump_json().encode()
            log.append([Record(topics.INBOUND, "MED", "MED|ehr|1", value)])
        else:
            log.append([kept(view("9", patient="key-1", protection=Protection.CONFIDENTIAL))])
        log.append([notice("MED", 2)])
        await running.told(row(sequence=2))
        again = await running.told(row(), "operational")
        assert (again.details, again.protected) == (None, True)
        assert (await running.told(row())).protected
        log.append([kept(view("9", patient="key-1")), notice("MED", 3)])
        await running.told(row(sequence=3))
        assert (await running.told(row())).protected == (by == "designation")

    asked(log, work)


@pytest.mark.parametrize("source", ["ehr", "mill"])
@pytest.mark.parametrize("merged", ["no", "into another", "from another"])
def test_a_mark_counts_that_was_said_of_the_person_once_the_designation_is_closed(
    source: str, merged: str
) -> None:
    """As by an A31: it is of no visit, and no notice tells it any more."""
    log = MemoryLog()
    log.append(decided(phase=Phase.DISCHARGED, mark=None))
    said: dict[str, Any] = {"patient": "key-1", "source": source, "family": NAME}
    if merged == "into another":
        log.append([record(described(1, "key-1", into="key-2"))])
    if merged == "from another":
        log.append([record(described(1, "key-2", into="key-1"))])
    said["patient"] = "key-1" if merged == "no" else "key-2"

    async def work(running: Following) -> None:
        assert not (await running.told(row())).protected
        for number, (minute, protection) in enumerate(
            [(3, Protection.PROTECTED), (2, Protection.NONE), (4, Protection.NONE)], 2
        ):
            of = described(minute, **said).model_copy(
                update={"protection": protection, "id": str(minute)}
            )
            log.append([record(of), notice("MED", number)])
            await running.told(row(sequence=number))
            assert (await running.told(row())).protected == (number < 4)

    asked(log, work)


def test_a_merge_by_a_source_that_is_not_believed_names_nobody_else() -> None:
    census = Census(lambda _: "mill")
    known = Disclosure(census, REGISTER, Identities(census.aliases))
    rows = [
        described(0, "key-p", "ehr", family="Right"),
        described(1, "key-p", "mill", family="Right"),
        described(2, "key-p", "ehr", into="key-x"),
        described(2, "key-x", "ehr", number="77", family="Wrong"),
    ]
    shadow, believed = view("E1", patient="key-p"), view("M1", source="mill", patient="key-p")
    merge = as_stored(alias_record(stands_for("key-p", "key-x")))
    said = [as_stored(record(each)) for each in rows]
    known.take([stored(shadow), stored(believed)], said, [merge])
    found = known.beside(row("E1"), "identified").patient
    assert found is not None
    assert found.family == "Right"


@pytest.mark.parametrize("knows", [False, True])
def test_who_moves_with_authority_is_withdrawn_under_the_number_they_had_by_then(
    *, knows: bool
) -> None:
    """The new source knows nothing of the merge that the old one, believed then, announced."""
    census = Census(lambda _: "mill")
    known = Disclosure(census, REGISTER, Identities(census.aliases))
    rows = [
        described(0, "key-p", "ehr", family="Old"),
        described(1, "key-p", "ehr", into="key-x"),
        described(1, "key-x", "ehr", number="4712", family="New"),
        *([described(2, "key-p", "mill", family="Old")] if knows else []),
    ]
    merge = as_stored(alias_record(stands_for("key-p", "key-x")))
    said = [as_stored(record(each)) for each in rows]
    known.take([stored(view("V2", patient="key-p"))], said, [merge])
    lost = row("V2", kind=Kind.WITHDRAWN, reason=Reason.AUTHORITY_MOVED)
    for asked_of, family in ((lost, "New"), (row("V2"), "Old" if knows else "New")):
        found = known.beside(asked_of, "identified").patient
        assert found is not None
        assert found.family == family


def test_notices_come_while_the_router_never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    log.append(decided())
    scan, looks = log.scan, 0

    def busy(at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        nonlocal looks
        if at.topic == topics.ENCOUNTERS:
            looks += 1
            log.append([kept(view("other"))])
        return scan(at, offset, limit)

    monkeypatch.setattr(log, "scan", busy)

    async def work(running: Following) -> None:
        assert (await running.told(row())).patient is not None
        assert looks < 50

    asked(log, work)


def test_whoever_is_told_the_minimum_waits_for_nothing() -> None:
    running = Following(MemoryLog())  # never started
    assert asyncio.run(running.told(row(), "minimal")) == MINIMAL


async def waits_in_vain(running: Following, of: DesignationData) -> None:
    fields = running.lookup.up_to(always("identified"))
    assert fields.now(of, has_waited=False) is None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await fields.until_known(of)


def test_before_all_is_read_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(waits_in_vain(Following(MemoryLog()), row()))

    async def work(running: Following) -> None:
        monkeypatch.setattr(running.tail, "_round", lambda: None)  # a log that does not answer
        await waits_in_vain(running, row(sequence=9))

    asked(MemoryLog(), work)


@pytest.mark.parametrize("level", ["operational", "identified"])
def test_a_read_model_that_stays_behind_holds_up_no_notice_for_ever(
    level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes out meanwhile is the minimum and says so; what comes after is whole."""
    log, endpoint = MemoryLog(), Endpoint()
    written, is_behind = log.written, True

    def census_is_away(topic: str) -> Mapping[int, int]:
        if is_behind and topic == topics.ENCOUNTERS:
            raise LogError("away")
        return written(topic)

    def decide(sequence: int) -> None:
        log.append(decided("1", sequence))
        value = log.scan(TopicPartition(topics.DESIGNATIONS, 0), sequence - 1, 1)[0].value
        log.append([Record(topics.OUTGOING, "s", "s", value)])

    async def work(running: Following) -> None:
        nonlocal is_behind
        monkeypatch.setattr(log, "written", census_is_away)
        await until(lambda: running.tail.blocking() is not None)
        terms = replace(QUICK, fields_within_s=0.05)
        fields = running.lookup.up_to(always(level))
        async with dispatching(log, sender_to(endpoint, terms=terms, fields=fields)):
            for sequence in range(1, 4):
                decide(sequence)
            await until(lambda: len(endpoint.taken) == 3)
            is_behind = False
            await until(lambda: running.tail.blocking() is None)
            decide(4)
            await until(lambda: len(endpoint.taken) == 4)

    asked(log, work)
    assert [each.beside.incomplete for each in endpoint.taken] == [True, True, True, False]
    assert [each.beside.level for each in endpoint.taken] == [*["minimal"] * 3, level]


def test_while_the_log_cannot_be_read_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()

    def fails(*_: object) -> None:
        raise LogError("away")

    async def work(running: Following) -> None:
        monkeypatch.setattr(log, "written", fails)
        await until(lambda: running.tail.blocking() is not None)
        await waits_in_vain(running, row())
        fields = running.lookup.up_to(always("identified"))
        assert fields.now(row(), has_waited=True) is None, "what was read may be of before"

    asked(log, work)
