"""What a subscriber is told beside a notice: as it is known at each attempt, and waited for."""

from __future__ import annotations

from dataclasses import replace

from bus.memory import MemoryLog
from router.delivery.channel import Answer, NotKnownYetError, Outgoing
from router.delivery.sender import Sender
from schemas.delivery import Outcome
from schemas.fields import Beside
from schemas.notification import DesignationData
from tests.delivery.notices import BESIDE, WHO, queued
from tests.delivery.test_sender import QUICK, TAKEN, Endpoint, looping, receipts


def test_what_is_told_besides_is_looked_up_for_each_attempt_and_noted() -> None:
    """A mark that comes between two attempts counts; what cannot be known yet is waited for."""
    known: list[Beside | Exception] = [
        NotKnownYetError("behind"), BESIDE, Beside(level="operational"), Beside(level="operational"),
    ]  # fmt: skip

    async def look_up(row: DesignationData) -> Beside:
        assert row.ward == "MED"
        found = known.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    log, answers = MemoryLog(), iter([Answer("answered 500"), TAKEN, TAKEN])
    endpoint = Endpoint(lambda _: next(answers))
    log.append([queued("s", "MED", 1), queued("s", "MED", 2)])
    sender = Sender(log, "s", endpoint, QUICK, look_up=look_up)
    with looping() as loop:
        sender.round(loop, 0.0)
    assert [each.beside.patient for each in endpoint.sent] == [WHO, None, None]
    assert [each.beside.patient for each in endpoint.taken] == [None, None]
    assert [(each.attempts, each.fields) for each in receipts(log)] == [(2, "identified"), (1, "operational")]  # fmt: skip
    assert sender.figures.refused_attempts == 1


def test_what_is_told_is_as_known_when_it_is_sent_not_when_it_began_to_wait_its_turn() -> None:
    marked = []

    def answer(_: Outgoing) -> Answer:
        marked.append(True)
        return TAKEN

    async def look_up(_: DesignationData) -> Beside:
        return BESIDE.model_copy(update={"protected": bool(marked)})

    log, endpoint = MemoryLog(), Endpoint(answer)
    log.append([queued("s", "MED", 1), queued("s", "KIR", 2)])
    sender = Sender(log, "s", endpoint, replace(QUICK, concurrency=1), look_up=look_up)
    with looping() as loop:
        sender.round(loop, 0.0)
    assert [each.beside.protected for each in endpoint.sent] == [False, True]


def test_what_was_waited_for_is_not_held_against_the_endpoint() -> None:
    now, refusing = [0.0], [True]

    async def look_up(_: DesignationData) -> Beside:
        if now[0] < 4 * 86_400:
            now[0] += 86_400
            raise NotKnownYetError("behind")
        return BESIDE

    def answer(_: Outgoing) -> Answer:
        return Answer("answered 400", unwanted=True) if refusing.pop() else TAKEN

    log, endpoint = MemoryLog(), Endpoint(answer)
    log.append([queued("s", "MED", 1)])
    refusing[:] = [False, True]
    sender = Sender(log, "s", endpoint, QUICK, clock=lambda: now[0], look_up=look_up)
    with looping() as loop:
        sender.round(loop, 0.0)
    assert [(each.outcome, each.attempts) for each in receipts(log)] == [(Outcome.DELIVERED, 2)]


def test_what_is_not_known_yet_parks_nothing_however_old_it_is() -> None:
    """After an outage of days the first attempt meets read models that are still being read."""
    waited: list[str | None] = []

    async def look_up(_: DesignationData) -> Beside:
        waited.append(sender.figures.trouble)
        if len(waited) < 5:
            raise NotKnownYetError("the notices kept are being read")
        return BESIDE

    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "MED", 1)])
    terms = replace(QUICK, give_up_after_s=0.0)
    sender = Sender(log, "s", endpoint, terms, look_up=look_up)
    with looping() as loop:
        sender.round(loop, 0.0)
    assert waited == [None] + ["the notices kept are being read"] * 4
    assert [each.beside for each in endpoint.taken] == [BESIDE]
    assert [each.outcome for each in receipts(log)] == [Outcome.DELIVERED]
