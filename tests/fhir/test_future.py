"""What lies in the future is not yet: a discharge, a place, a planned stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.observation import Observation, What
from tests.fhir.lab import RECEIVED_AT, Json, at, encounter, encounter_r5, outcome
from tests.router.hearing import Router

SKEW = timedelta(seconds=300)


def ended(end: datetime, status: str, edition: str) -> Json:
    period = {"end": end.isoformat()}
    if edition == "R5":
        return encounter_r5(status=status, actualPeriod=period)
    return encounter(status=status, period=period)


@pytest.mark.parametrize(
    ("after", "is_ahead"),
    [
        (timedelta(days=-1), False),
        (timedelta(0), False),
        (SKEW, False),
        (SKEW + timedelta(microseconds=1), True),
        (timedelta(days=1), True),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("status", "edition"), [("finished", "R4"), ("completed", "R5"), ("discharged", "R5")]
)
def test_a_stay_that_is_to_end_has_not_ended(
    after: timedelta,
    is_ahead: bool,  # noqa: FBT001 - a table's column
    status: str,
    edition: str,
) -> None:
    end = RECEIVED_AT + after
    (said,) = outcome(ended(end, status, edition), edition=edition).observations
    assert (said.what, said.occurred_at) == (What.DISCHARGED, end)
    assert said.takes_effect_at == (end if is_ahead else None)


def test_the_allowed_skew_is_the_feeds() -> None:
    end = RECEIVED_AT + timedelta(seconds=20)
    (said,) = outcome(ended(end, "finished", "R4"), future_s=10).observations
    assert said.takes_effect_at == end


@pytest.mark.parametrize(
    ("end", "takes_effect_at"),
    [
        ("2026-01-14", None),
        ("2026-01-15", None),  # the stay is over, and on this day
        ("2026-01-16", datetime(2026, 1, 16, 23, tzinfo=UTC)),
    ],
)
def test_a_stay_that_is_to_end_on_a_day_ends_with_it(
    end: str, takes_effect_at: datetime | None
) -> None:
    (said,) = outcome(encounter(status="finished", period={"end": end})).observations
    assert said.takes_effect_at == takes_effect_at


def test_when_it_takes_effect_is_no_part_of_the_identity() -> None:
    """The same version received before and after its end is one statement."""
    end = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
    early = outcome(ended(end, "finished", "R4")).observations[0]
    late = outcome(ended(end, "finished", "R4"), future_s=1_800).observations[0]
    assert (early.id, early.takes_effect_at, late.takes_effect_at) == (late.id, end, None)


@pytest.mark.parametrize("end", ["soon", "2026", 7, ["x"], "9999-12-31T23:59:59-14:00"])
def test_an_end_that_cannot_be_read_ends_the_stay_now(end: object) -> None:
    found = outcome(encounter(status="finished", period={"end": end}), check="lean")
    (said,) = found.observations
    assert (said.what, said.occurred_at, said.takes_effect_at) == (What.DISCHARGED, None, None)
    assert len(found.warnings) == 1


def test_nobody_lies_where_they_are_to_come_tomorrow() -> None:
    tomorrow = {"start": (RECEIVED_AT + timedelta(days=1)).isoformat()}
    for document in (
        encounter(location=[at("W", period=tomorrow)]),
        encounter(location=[at("W")], period=tomorrow),
        encounter(location=[at("W", None, period=tomorrow)]),
    ):
        place = outcome(document).observations[0].claims.place
        assert place is None
    mark = encounter(location=[at("W", "planned", period=tomorrow)])
    claims = outcome(mark).observations[0].claims
    assert claims.expected_at == RECEIVED_AT + timedelta(days=1)


def said(version: int, **elements: object) -> Observation:
    """A version of a stay that is marked for W1, recorded and received in its order."""
    (observation,) = outcome(encounter(version, **elements)).observations
    return observation


END = RECEIVED_AT + timedelta(hours=20)
MARKED = said(1, location=[at("W1", "planned"), at("AKM")])
TO_END = said(2, status="finished", period={"end": END.isoformat()})


def test_a_ward_waits_until_the_stay_has_ended_and_no_longer() -> None:
    router = Router().hear(MARKED, TO_END)
    assert router.wards == ["W1"]
    router.tick(END - timedelta(seconds=1))
    assert router.restart().wards == ["W1"]
    router.tick(END)
    assert router.words == ["W1 designated marked", "W1 withdrawn discharged"]


@pytest.mark.parametrize("restarted", [False, True])
def test_an_end_that_is_taken_back_before_its_time_never_comes(restarted: bool) -> None:  # noqa: FBT001
    again = said(3, location=[at("W1", "planned"), at("AKM")])
    router = Router().hear(MARKED, TO_END, again)
    if restarted:
        router.restart()
    router.tick(END + timedelta(hours=1))
    assert router.wards == ["W1"]
    assert router.words == ["W1 designated marked"]


def test_a_new_time_replaces_the_old_one() -> None:
    later = said(3, status="finished", period={"end": (END + timedelta(hours=5)).isoformat()})
    router = Router().hear(MARKED, TO_END, later).tick(END)
    assert router.wards == ["W1"]
    assert router.tick(END + timedelta(hours=5)).wards == []
