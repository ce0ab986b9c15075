"""A backlog that is worked off in parts tells the wards what they would be told at once."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import pytest

from router.core import backlog
from tests.router.hearing import OpenKey, Router
from tests.router.histories import AUTHORITIES, History, histories
from tests.router.saying import Source, minutes
from tests.router.test_invariants import (
    RANDOMS,
    Tally,
    assert_well_formed,
    awaited,
    check,
    in_some_order,
)


@pytest.fixture(autouse=True)
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LOOKED_AT", 1)


def words(router: Router) -> dict[OpenKey, list[str]]:
    """Of each designation what the ward was told, in order."""
    found = defaultdict[OpenKey, list[str]](list)
    for each in router.told:
        name = (each.subject, each.data.visit.source, each.data.visit.visit)
        found[name].append(f"{each.data.kind} {each.data.reason}")
    return found


def in_parts(*entries: str) -> Router:
    """What is left to do waits until the test has it done."""
    router = Router(*entries)
    router.goes_on = False
    return router


def test_a_visit_that_is_another_patients_by_one_source_is_designated_once() -> None:
    """By the record system the number is p1's; the snapshots know nothing of that."""
    elvis, ehr = Source("elvis", patient="p2"), Source("ehr", patient="p2")
    router = in_parts("ehr", "W1=elvis")
    router.hear(*(Source("ehr", f"w{n}", f"f{n}").a14("W1") for n in range(3)))
    router.hear(elvis.row("X", "W1", minutes(6))).believe("ehr", "W1=elvis")
    router.hear(ehr.a14("W1", minutes(6))).believe("ehr").catch_up()
    router.hear(ehr.of("p1", "p2").row(None, "W1", minutes(2)))
    router.believe("ehr", "W1=elvis").catch_up()
    assert words(router)["W1", "elvis", "v1"] == [
        "designated marked",
        "changed updated",
        "changed updated",
    ]


def waiting_for_b() -> Router:
    """Announced by a, which is not believed any more; b is, and the ward waits to be looked at."""
    router = in_parts("a")
    router.hear(*(Source("a", f"v{n}", f"P{n}").a14("W") for n in range(4)))
    router.hear(*(Source("b", f"u{n}", f"P{n + 2}").a14("W") for n in range(4)))
    return router.believe("b")


@pytest.mark.parametrize("is_told_before", [True, False])
def test_who_speaks_while_the_ward_waits_is_told_the_same_reasons(*, is_told_before: bool) -> None:
    router = waiting_for_b()
    if is_told_before:
        router.catch_up()
    for patient in range(6):
        s = Source("b", f"u{patient - 2}", f"P{patient}", at=minutes(9))
        router.hear(s.a08(), s.a27())
    router.catch_up()
    found = words(router)
    for known_to_a_alone in ("v0", "v1"):
        assert found["W", "a", known_to_a_alone] == [
            "designated marked",
            "withdrawn authority-moved",
        ]
    for known_to_both in ("v2", "v3"):
        assert found["W", "a", known_to_both] == ["designated marked", "withdrawn cancelled"]
    for known_to_b_alone in ("u2", "u3"):
        told = ["designated authority-moved", "withdrawn cancelled"]
        assert found["W", "b", known_to_b_alone] == told


def test_who_is_marked_while_the_ward_waits_is_told_as_marked() -> None:
    router = waiting_for_b().hear(Source("b", "new", "N").a14("W")).catch_up()
    assert words(router)["W", "b", "new"] == ["designated marked"]


def test_a_move_of_authority_tells_the_same_at_once_and_in_parts() -> None:
    tally = Tally("in parts")

    def holds(history: History, random: Random) -> None:
        believed, other = random.sample(AUTHORITIES, 2)
        arriving = in_some_order(random, history.said)
        half = random.randint(0, len(arriving))
        at_once = Router(*believed, fulfilled_by=history.fulfilled_by)
        parted = Router(*believed, fulfilled_by=history.fulfilled_by)
        parted.goes_on = False
        for router in (at_once, parted):
            router.hear(*arriving[:half]).believe(*other)
            for each in arriving[half:]:
                router.hear(each)
                if random.random() < 0.2:
                    router.restart()
        tally.extra["backlogs"] += bool(parted.state.realm("lab").backlog)
        parted.catch_up()
        assert words(parted) == words(at_once)
        assert parted.encounters == at_once.encounters
        assert parted.inbound == parted.open == at_once.open
        assert awaited(parted, history) == history.awaited(other)
        assert_well_formed(parted.told)
        tally.count(parted)

    check(holds, histories(), RANDOMS)
    tally.report("backlogs")
