"""Who is nobody's patient any more is forgotten, and everybody where nothing is to be kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bus.memory import MemoryLog
from bus.port import LogError, Record
from bus.records import records_of
from schemas import topics
from schemas.encounter import EncounterView, Phase
from tests.wardbridge.test_census import kept
from tests.wardbridge.test_http import AT
from tests.wardbridge.test_identities import alias_record, described, record, stands_for
from wardbridge.runtime.demographics_retention import Forgetting, forget

WEEK = timedelta(days=7)


def log_of(*records: Record) -> MemoryLog:
    log = MemoryLog()
    log.append(records)
    return log


def left(log: MemoryLog) -> set[str]:
    """Patients described, by the newest record of each key."""
    newest = {r.key or "": r.value for r in records_of(log, topics.PATIENTS)}
    return {key.partition("|")[0] for key, value in newest.items() if value is not None}


def stay(patient: str, phase: Phase = Phase.ACTIVE) -> Record:
    return kept(EncounterView(source="ehr", visit=patient, patient=patient, phase=phase, last_at=AT))  # fmt: skip


@pytest.mark.parametrize(
    ("phases", "days", "expected"),
    [
        ({"key-1": Phase.ACTIVE}, 30, {"key-1"}),
        ({"key-1": Phase.PLANNED}, 30, {"key-1"}),
        ({"key-1": Phase.DISCHARGED}, 30, set()),
        ({"key-1": Phase.CANCELLED}, 8, set()),
        ({"key-1": Phase.DISCHARGED}, 6, {"key-1", "key-2"}),
        ({}, 8, set()),
        ({"key-2": Phase.ACTIVE}, 30, {"key-2"}),
    ],
)
def test_who_has_no_visit_is_forgotten_after_a_time(
    phases: dict[str, Phase], days: int, expected: set[str]
) -> None:
    rows = [record(described(family="Ek")), record(described(patient="key-2", family="Alm"))]
    log = log_of(*rows, *(stay(patient, phase) for patient, phase in phases.items()))
    forget(log, WEEK, AT + timedelta(days=days))
    assert left(log) == expected
    assert forget(log, WEEK, AT + timedelta(days=days)) == 0


def test_a_row_of_another_version_ends_nothing() -> None:
    log = log_of(record(described(family="Ek"))._replace(value=b'{"version": 2}', key="other|ehr|x"),
                 record(described(family="Ek")))  # fmt: skip
    assert forget(log, None, AT) == 1


def test_whom_a_patient_was_merged_into_is_kept_as_long_as_the_patient() -> None:
    rows = [described(into="key-2"), described(patient="key-2", into="key-3"),
            described(patient="key-3", family="Ek"), described(patient="key-4")]  # fmt: skip
    log = log_of(*map(record, rows), stay("key-1"))
    assert forget(log, WEEK, AT + timedelta(days=30)) == 1
    assert left(log) == {"key-1", "key-2", "key-3"}


def test_whoever_is_tied_to_an_open_visit_by_any_number_is_kept() -> None:
    rows = [described(patient=f"key-{n}", family="Ek") for n in range(1, 6)]
    ties = [stands_for("key-1", "key-2", merged=False), stands_for("key-3", "key-2", "other")]
    log = log_of(*map(record, rows), *map(alias_record, ties), stay("key-1"), stay("key-4"))
    assert forget(log, WEEK, AT + timedelta(days=30)) == 1
    assert left(log) == {"key-1", "key-2", "key-3", "key-4"}


def test_where_nothing_is_to_be_kept_everything_goes_at_the_start() -> None:
    async def check() -> None:
        log = log_of(record(described(family="Ek")), stay("key-1"))
        part = Forgetting(log, None, lambda: AT)
        await part.start()
        while left(log):  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)
        await part.stop()
        assert part.failure() is None

    asyncio.run(check())


def test_a_log_that_refuses_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def append(_records: object) -> None:
        refused.append("once")
        raise LogError("the disk is gone")

    async def check() -> None:
        log = log_of(record(described(family="Ek")))
        monkeypatch.setattr(log, "append", append)
        part = Forgetting(log, None, lambda: AT)
        await part.start()
        while not refused:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)
        await part.stop()
        assert (part.failure(), left(log)) == (None, {"key-1"})

    asyncio.run(check())
