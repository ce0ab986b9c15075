"""What a tick makes due: bounded, through restarts, and when the clock was ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from router.core import passing
from router.core.due import BEHIND, DUE, EARLY, Agenda
from schemas import topics
from schemas.observation import Observation
from tests.router.hearing import Router, rows
from tests.router.saying import Source, ahead, minutes

NOON = minutes(360)
FOUR_MINUTES = timedelta(minutes=4)


def stays(count: int, until: datetime = NOON) -> list[Observation]:
    """So many patients, each marked for a ward and to be discharged then."""
    said = []
    for number in range(count):
        s = Source(visit=f"v{number}", patient=f"p{number}")
        said += [s.a01("ER"), s.a14("W"), ahead(s.a03(), until)]
    return said


def ticked(router: Router, begin: datetime, count: int) -> Router:
    """Ticks that follow one another, each four minutes after the one before."""
    for number in range(count):
        router.tick(begin + number * FOUR_MINUTES)
    return router


def due_rows(router: Router, kind: str = DUE) -> list[str]:
    keys = rows(router.records, topics.STATE)
    return [key for key in keys if key.split("|")[1] == kind]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_tick_changes_no_more_visits_than_its_limit(
    monkeypatch: pytest.MonkeyPatch, *, restarts: bool
) -> None:
    monkeypatch.setattr(passing, "DUE_PER_TICK", 3)
    router = Router().hear(*stays(8)).tick(minutes(1))
    left = []
    for second in range(4):
        router.tick(NOON + timedelta(seconds=second))
        left.append(len(router.open))
        if restarts:
            router.restart()
    assert left == [5, 2, 0, 0]
    assert not due_rows(router, BEHIND)


def test_a_restart_parses_only_what_is_due() -> None:
    others = (Source(visit=f"x{n}", patient=f"q{n}").a01("ER") for n in range(50))
    router = Router().hear(*stays(3), *others).tick(minutes(1)).restart()
    router.tick(NOON)
    visits = router.state.realms["lab"].visits
    assert {at[1] for at, visit in visits.items() if visit.fold_ is not None} == {"v0", "v1", "v2"}
    assert len(visits) == 53
    assert router.open == set()


def test_only_visits_with_something_ahead_have_a_row_and_it_goes_with_them() -> None:
    s = Source()
    router = Router().hear(*stays(1), s.a01("ER"))
    assert due_rows(router) == ["lab|due|ehr|v0"]
    router.tick(NOON + timedelta(days=40)).tick(NOON + timedelta(days=41))
    assert router.state.realms["lab"].visits.keys() == {("ehr", "v1")}
    assert due_rows(router) == []


def test_a_visit_of_which_something_is_ahead_is_kept() -> None:
    s = Source()
    router = Router().hear(s.a01("ER"), s.a03(), ahead(s.a01("W"), minutes(0) + timedelta(days=60)))
    router.tick(minutes(0) + timedelta(days=40))
    assert router.state.realms["lab"].visits


@pytest.mark.parametrize("restarts", [False, True])
def test_what_a_clock_that_was_ahead_made_happen_has_not_happened(*, restarts: bool) -> None:
    router = Router().hear(*stays(2)).tick(NOON + timedelta(days=3))
    assert router.words[2:] == ["W withdrawn discharged"] * 2
    if restarts:
        router.restart()
    router.tick(minutes(90))
    assert router.words[4:] == [], "one tick does not say which of the two clocks is wrong"
    router.hear(Source(visit="other", patient="q", at=minutes(90)).a01("V"))
    assert router.words[4:] == ["W designated reopened"] * 2
    assert {router.encounters[f"ehr|v{n}"]["phase"] for n in range(2)} == {"active"}
    assert ticked(router, minutes(94), 70).words[6:] == ["W withdrawn discharged"] * 2


@pytest.mark.parametrize("restarts", [False, True])
def test_a_set_back_changes_no_more_visits_at_once_than_the_limit(
    monkeypatch: pytest.MonkeyPatch, *, restarts: bool
) -> None:
    """It goes on by itself; what is said meanwhile is decided by the time that counts."""
    router = Router().hear(*stays(8)).tick(NOON + timedelta(days=3)).tick(minutes(90))
    monkeypatch.setattr(passing, "DUE_PER_TICK", 3)
    router.goes_on = False
    router.hear(Source(visit="other", patient="q", at=minutes(90)).a01("V"))
    left = [len(router.open)]
    router.hear(Source(visit="v7", patient="p7", at=minutes(91)).a08(admitting_doctor="D"))
    assert len(router.open) == left[0] + 1, "whoever is spoken of need not wait"
    while router.go_on():
        left.append(len(router.open))
        if restarts:
            router.restart()
    assert left == [3, 7, 8]
    assert not due_rows(router, EARLY)
    assert {router.encounters[f"ehr|v{n}"]["phase"] for n in range(8)} == {"active"}
    router.restart().tick(NOON)
    assert len(router.open) == 5, "what is due is due again"


def test_a_discharge_that_is_said_anew_at_another_time_has_both_times_in_its_row() -> None:
    s = Source()
    router = Router().hear(s.a01("ER"), ahead(s.a03(), NOON), ahead(s.a03(), minutes(400)))
    router.restart().tick(NOON)
    assert router.encounters["ehr|v1"]["phase"] == "active"
    router.tick(minutes(400))
    assert router.encounters["ehr|v1"]["phase"] == "discharged"


def test_what_the_census_shows_meanwhile() -> None:
    s = Source()
    router = Router().hear(s.a14("W"), ahead(s.a01("V/1"), NOON), ahead(s.a03(), minutes(400)))
    view = router.encounters["ehr|v1"]
    assert (view["phase"], view["place"]) == ("planned", None)
    assert view["planned_move"] == {"to": {"ward": "V", "room": "1", "bed": None},
                                    "at": "2026-01-20T12:00:00Z"}  # fmt: skip
    assert view["planned_discharge_at"] == "2026-01-20T12:40:00Z"
    router.tick(NOON)
    view = router.encounters["ehr|v1"]
    assert (view["phase"], view["place"]["ward"], view["planned_move"]) == ("active", "V", None)


def test_an_agenda_takes_each_visit_once_however_many_times_it_has() -> None:
    agenda, at = Agenda(), ("ehr", "v1")
    for time in (3, 5, 7):
        agenda.add(at, time)
    assert agenda.add(at, 5) is None
    assert agenda.pass_to(5, 10) == [at]
    assert agenda.pass_to(6, 10) == []
    assert agenda.pass_to(9, 10) == [at]
    agenda.drop(at)
    assert not agenda.drop(at)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_set_back_that_a_sender_confirms_undoes_what_the_clock_had_made_happen(
    *, restarts: bool
) -> None:
    """The clock was hours ahead for so long that it was believed, with nobody speaking."""
    router = ticked(Router().hear(*stays(1)).tick(minutes(1)), NOON, 20)
    assert router.words[1:] == ["W withdrawn discharged"]
    router.tick(minutes(90))
    if restarts:
        router.restart()
    router.hear(Source(visit="other", patient="q", at=minutes(90)).a01("V"))
    assert router.words[2:] == ["W designated reopened"]
    assert router.tick(minutes(91)).words[3:] == []
    assert ticked(router, minutes(94), 70).words[3:] == ["W withdrawn discharged"]


@pytest.mark.parametrize("hours", [1, 6, 23])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_wrong_tick_is_undone_by_those_that_go_on_without_it(
    hours: int, *, restarts: bool
) -> None:
    until = minutes(60 * hours)
    router = ticked(Router().hear(*stays(1, until)), minutes(1), 3).tick(until + FOUR_MINUTES)
    assert router.words[1:] == ["W withdrawn discharged"]
    if restarts:
        router.restart()
    assert ticked(router, minutes(13), 4).words[2:] == ["W designated reopened"]
    assert ticked(router, minutes(29), 15 * hours).words[3:] == ["W withdrawn discharged"]


def test_two_clocks_that_disagree_do_not_undo_each_other_again_and_again() -> None:
    router = Router().hear(*stays(1))
    for number in range(60):
        at = minutes(1 + number)
        router.tick(at).tick(at + timedelta(hours=6))
    assert router.words == ["W designated marked", "W withdrawn discharged"]
