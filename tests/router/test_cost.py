"""What a record costs in a visit of many events, counted in calls: no clock, which other processes disturb."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from types import FrameType
from typing import Final

import pytest

from router.core import facts, held_visit
from router.core.facts import Fact, fact_of
from router.core.replay import BLOCK
from router.core.visit import Fold
from schemas.observation import Observation
from tests.router.hearing import Router
from tests.router.long_stays import PATTERNS, Pattern
from tests.router.saying import REALM

FEW, MANY = 250, 2_000
LINEAR: Final = 1.25 * MANY / FEW
CALLS_A_FACT: Final = 80
RECORDS: Final = 20


def heard(said: Iterator[Observation], size: int) -> Router:
    """A router whose visit has so many facts; what comes next is heard."""
    router = Router()
    realm = router.state.realm(REALM)
    visit = realm.visit(("ehr", "v1"))
    for each in islice(said, size):
        visit.hold(fact_of(each))
        realm.index(visit, each.patient.key, "")
    return router.hear(*islice(said, 2))


@pytest.fixture(autouse=True)
def no_bound_of_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each costs is looked at far beyond their bound."""
    monkeypatch.setattr(held_visit, "MAX_CANCELS", MANY)


class Calls:
    """Counts the calls of Python functions."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.count += event in {"call", "c_call"}


def calls(pattern: Pattern, size: int) -> int:
    """The most of a record, of three that come when there are so many."""
    said = pattern()
    router, most = heard(said, size), 0
    for each in islice(said, 3):
        counter, before = Calls(), sys.getprofile()
        sys.setprofile(counter)
        try:
            router.hear(each)
        finally:
            sys.setprofile(before)
        most = max(most, counter.count)
    return most


@pytest.mark.parametrize("name", PATTERNS)
def test_a_record_costs_no_more_than_in_proportion_to_what_is_kept(name: str) -> None:
    few, many = calls(PATTERNS[name], FEW), calls(PATTERNS[name], MANY)
    assert many < LINEAR * few
    assert many < CALLS_A_FACT * MANY


IN_ORDER = [
    name
    for name in PATTERNS
    if "newest" not in name and name not in {"within one second", "of the past"}
]


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_comes_in_order_folds_only_what_it_changes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And reads nothing again that it has read."""
    done: Counter[str] = Counter()
    take, parsed = Fold.take_note_of, facts.parsed

    def take_note_of(fold: Fold, fact: Fact) -> None:
        done["folded"] += 1
        take(fold, fact)

    def parse(row: bytes) -> Fact:
        done["parsed"] += 1
        return parsed(row)

    said = PATTERNS[name]()
    router = heard(said, MANY)
    monkeypatch.setattr(Fold, "take_note_of", take_note_of)
    monkeypatch.setattr(held_visit, "parsed", parse)
    router.hear(*islice(said, RECORDS))
    assert RECORDS <= done["folded"] <= RECORDS * 2 * BLOCK
    assert done["parsed"] <= 2 * RECORDS
