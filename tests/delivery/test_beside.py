"""What a subscriber is told beside a notice: as it is known at each attempt, waited for, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bus.memory import MemoryLog
from router.delivery import dispatcher as module
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.lanes import RetryTerms
from schemas.delivery import Outcome
from schemas.fields import Beside
from schemas.notification import DesignationData
from tests.delivery.dispatching import (
    QUICK,
    TAKEN,
    Endpoint,
    dispatching,
    receipts,
    sender_to,
    until,
)
from tests.delivery.notices import BESIDE, WHO, queued


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_WAIT_S", 0.02)


class Fields:
    """Read models that answer as they are told; behind, they are waited for until ``come``."""

    def __init__(self, known: Callable[[DesignationData], Beside | None]) -> None:
        self._known = known
        self.come = asyncio.Event()
        self.waiting = 0
        self.waits = 0

    def now(self, row: DesignationData, *, has_waited: bool) -> Beside | None:
        del has_waited
        return self._known(row)

    async def until_known(self, row: DesignationData) -> None:
        del row
        self.waiting += 1
        self.waits += 1
        try:
            await self.come.wait()
        finally:
            self.waiting -= 1


async def test_what_is_told_besides_is_looked_up_for_each_attempt_and_noted() -> None:
    known = [BESIDE, Beside(level="operational"), Beside(level="operational")]
    answers = iter([AttemptResult("answered 500"), TAKEN, TAKEN])
    log, endpoint = MemoryLog(), Endpoint(lambda _: next(answers))
    log.append([queued("s", "A", 1), queued("s", "A", 2)])
    sender = sender_to(endpoint, fields=Fields(lambda _: known.pop(0)))
    async with dispatching(log, sender):
        await until(lambda: len(receipts(log)) == 2)
    assert [each.beside.patient for each in endpoint.sent] == [WHO, None, None]
    found = [(each.attempts, each.fields) for each in receipts(log)]
    assert found == [(2, "identified"), (1, "operational")]
    assert sender.figures.refused_attempts == 1


async def test_what_is_told_is_as_known_when_it_is_sent_not_when_it_began_to_wait_its_turn() -> (
    None
):
    marked: list[bool] = []

    def answer(_: Outgoing) -> AttemptResult:
        marked.append(True)
        return TAKEN

    def known(_: DesignationData) -> Beside:
        return BESIDE.model_copy(update={"protected": bool(marked)})

    log, endpoint = MemoryLog(), Endpoint(answer)
    log.append([queued("s", "A", 1), queued("s", "B", 2)])
    terms = replace(QUICK, concurrency=1)
    async with dispatching(log, sender_to(endpoint, terms=terms, fields=Fields(known))):
        await until(lambda: len(receipts(log)) == 2)
    assert [each.beside.protected for each in endpoint.sent] == [False, True]


async def test_what_is_behind_holds_up_its_ward_only_and_no_slot() -> None:
    known: dict[str, Beside] = {"B": BESIDE}
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", ward, n) for n, ward in enumerate("AABBBB", 1)])
    fields = Fields(lambda row: known.get(row.ward))
    sender = sender_to(endpoint, terms=replace(QUICK, concurrency=1), fields=fields)
    async with dispatching(log, sender):
        await until(lambda: len(receipts(log)) == 4)
        assert endpoint.numbers() == [3, 4, 5, 6]
        known["A"] = BESIDE
        fields.come.set()
        await until(lambda: len(receipts(log)) == 6)
    assert {each.beside for each in endpoint.taken} == {BESIDE}


async def test_what_is_not_known_in_time_is_told_with_the_minimum_and_marked() -> None:
    """While a read model was behind, subscribers with more fields waited for ever."""
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", 1)])
    terms = replace(QUICK, fields_within_s=0.05)
    sender = sender_to(endpoint, terms=terms, fields=Fields(lambda _: None))
    async with dispatching(log, sender):
        await until(lambda: len(receipts(log)) == 1)
    (sent,), (receipt,) = endpoint.sent, receipts(log)
    assert (sent.beside.level, sent.beside.incomplete, sent.beside.patient) == (
        "minimal", True, None,
    )  # fmt: skip
    assert (receipt.outcome, receipt.fields, receipt.incomplete, receipt.attempts) == (
        Outcome.DELIVERED, "minimal", True, 1,
    )  # fmt: skip
    assert sender.figures.incomplete == 1


async def test_what_waited_in_vain_is_not_waited_for_by_each_notice_behind_it() -> None:
    """Else a ward's sixtieth notice would wait for ten minutes."""
    known: list[Beside] = []
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", number) for number in range(1, 41)])
    fields = Fields(lambda _: known[0] if known else None)
    sender = sender_to(endpoint, terms=replace(QUICK, fields_within_s=0.3), fields=fields)
    async with dispatching(log, sender):
        await until(lambda: len(receipts(log)) == 40)
        waits = fields.waits
        known.append(BESIDE)
        log.append([queued("s", "A", 41)])
        await until(lambda: len(receipts(log)) == 41)
    assert waits <= 2, "one, and one more for what was queued a moment later"
    assert endpoint.numbers() == list(range(1, 42))
    assert [each.incomplete for each in receipts(log)] == [True] * 40 + [False]


async def test_what_is_known_when_it_is_tried_again_is_told_and_is_whole() -> None:
    known: list[Beside] = []
    log = MemoryLog()

    def answer(sent: Outgoing) -> AttemptResult:
        known.append(BESIDE)
        return AttemptResult("answered 500") if sent.beside.incomplete else TAKEN

    endpoint = Endpoint(answer)
    log.append([queued("s", "A", 1)])
    fields = Fields(lambda _: known[0] if known else None)
    terms = replace(QUICK, fields_within_s=0.02)
    async with dispatching(log, sender_to(endpoint, terms=terms, fields=fields)):
        await until(lambda: len(receipts(log)) == 1)
    assert [each.beside.incomplete for each in endpoint.sent] == [True, False]
    (receipt,) = receipts(log)
    assert (receipt.incomplete, receipt.fields, receipt.attempts) == (False, "identified", 2)


async def test_waiting_stops_with_the_sender() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", 1)])
    fields = Fields(lambda _: None)
    async with asyncio.timeout(3), dispatching(log, sender_to(endpoint, fields=fields)):
        await until(lambda: fields.waiting == 1)
    assert (fields.waiting, endpoint.sent, receipts(log)) == (0, [], [])


async def test_what_is_not_known_yet_parks_nothing_however_old_it_is() -> None:
    """After an outage of days the first attempt meets read models that are still being read."""
    known: list[Beside] = []
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", 1)])
    fields = Fields(lambda _: known[0] if known else None)
    terms = RetryTerms(give_up_after_s=0.0, refused_after_s=0.0)
    async with dispatching(log, sender_to(endpoint, terms=terms, fields=fields)):
        await until(lambda: fields.waiting == 1)
        known.append(BESIDE)
        fields.come.set()
        await until(lambda: len(receipts(log)) == 1)
    assert [each.beside for each in endpoint.taken] == [BESIDE]
    assert [each.outcome for each in receipts(log)] == [Outcome.DELIVERED]
