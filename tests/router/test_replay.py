"""A long visit is folded again at the cost of what changed, and comes to what all of its facts amount to."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core import held_visit, long_visits, reasons, replay
from router.core.due import Agenda
from router.core.facts import Fact, fact_of, microseconds, parsed
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.held_visit import Visit
from router.core.long_visits import LongVisits
from router.core.versions import in_server_order
from router.core.visit import Fold
from router.core.visit_patient import counting
from schemas.observation import Observation
from tests.router import plainly
from tests.router.any_facts import Teller
from tests.router.hearing import Router
from tests.router.saying import START, Source, again, ahead, minutes, of_movement
from tests.router.test_plainly import exact_claims

RANDOMS = st.integers(0, 2**64).map(Random)
SHORT = 3
"""Facts above which a visit is long here."""


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that generated visits are long, and have many copies."""
    monkeypatch.setattr(held_visit, "LONG", SHORT)
    monkeypatch.setattr(replay, "BLOCK", 4)
    monkeypatch.setattr(long_visits, "MAX_PARSED", 40)


def exact_fold(fold: Fold) -> tuple[object, ...]:
    return fold, *(exact_claims(fact.claims) for fact in fold.ahead.facts)


class Ward:
    """Visits of one realm, each with the facts that it should hold, and what they should come to."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.agenda, together = Agenda(), LongVisits()
        self.fulfilment = random.choice((BY_PLACE, Fulfilment("responsible")))
        self.visits = [
            Visit("ehr", f"v{n}", self.fulfilment, agenda=self.agenda, long_visits=together)
            for n in range(random.randint(1, 3))
        ]
        self.held: list[dict[str, Fact]] = [{} for _ in self.visits]
        self.teller = Teller(random, patients=random.choice((1, 1, 2)))
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """Something comes, goes, is told again or is forgotten; or time passes, perhaps back."""
        at = self.random.randrange(len(self.visits))
        deeds = ("hear",) * 9 + ("revise", "revise", "let go", "put away", "fold", "tick")
        deed = self.random.choice(deeds)
        self.done[deed] += 1
        self.hear(at, self.teller.fact()) if deed == "hear" else self._change(at, deed)

    def hear(self, at: int, fact: Fact) -> None:
        visit, held = self.visits[at], self.held[at]
        is_new = fact.id not in held
        held[fact.id] = fact
        visit.hold(fact)
        visit.take(fact, is_new=is_new)

    def _change(self, at: int, deed: str) -> None:
        visit, held = self.visits[at], self.held[at]
        if deed == "revise" and held:
            old = self.random.choice([*held.values()])
            new = self.teller.fact()._replace(id=old.id)
            self.hear(at, new._replace(claims=self.random.choice((old.claims, new.claims))))
        elif deed == "let go" and len(held) > 1:
            gone = self.random.choice([*held])
            del held[gone]
            visit.let_go(gone)
        elif deed == "put away":
            visit.put_away()
        elif deed == "fold":
            visit.fold_ = None
        elif deed == "tick":
            self.agenda.now = microseconds(START + timedelta(seconds=self.random.randint(0, 900)))
            for each in self.visits:
                each.fold_ = None

    def check(self) -> None:
        for visit, held in zip(self.visits, self.held, strict=True):
            if held:
                facts = in_server_order(held.values())
                heard = counting(facts, lambda one, other: one == other)
                plain = plainly.folded(heard, self.fulfilment, self.agenda.now)
                assert exact_fold(visit.fold()) == exact_fold(plain)
                assert {fact.id: fact for fact in visit.facts()} == held
                assert visit.foreign == held.keys() - {fact.id for fact in heard}
                self.done["compared"] += 1
                self.done["long"] += len(held) > SHORT
                self.done["foreign"] += bool(visit.foreign)


def test_whatever_comes_it_is_folded_as_if_all_were_folded_anew() -> None:
    done: Counter[str] = Counter()

    @given(RANDOMS, st.integers(1, 60))
    def holds(random: Random, deeds: int) -> None:
        ward = Ward(random)
        for _ in range(deeds):
            ward.act()
            ward.check()
        done.update(ward.done)

    holds()
    print(f"\n{dict(done)}")
    assert done["long"] > done["compared"] // 4
    assert done["foreign"] > 0


# -- as many as no stay has -------------------------------------------------------------------------


def why(router: Router) -> list[str]:
    return [item.reason for item in router.review]


def of_one_movement(source: Source, count: int) -> list[Observation]:
    """A movement's id that is a constant: every statement corrects all that came before."""
    said = [source.a02(f"W{n % 4}", movement="0") for n in range(count)]
    return [of_movement(each, "0", "update") if n % 2 else each for n, each in enumerate(said)]


def test_what_tells_as_much_again_as_nobody_does_is_set_aside_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_visit, "MAX_RETOLD", 20)
    s = Source()
    said = of_one_movement(s, 40)
    router = Router().hear(s.a14("X"), *said)
    assert set(why(router)) == {reasons.TOO_MANY_CORRECTIONS}
    assert all(item.withheld and item.raw for item in router.review)
    count = len(router.review)
    assert count == 30  # of five events and five corrections each of these means all of those
    router.restart().hear(*map(again, said))
    assert len(router.review) == 2 * count  # the same items: nothing that is held is told anew
    assert router.hear(s.a02("X", movement="1"), s.a14("Y")).wards == ["Y"]
    assert len(router.review) == 2 * count


def test_what_is_taken_back_more_often_than_in_any_stay_is_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each costs a look through the whole visit; what moves on, and a plan's cancel, does not."""
    monkeypatch.setattr(held_visit, "MAX_CANCELS", 10)
    s = Source()
    said = [each for n in range(15) for each in (s.a02(f"W{n % 4}"), s.a12("W9"))]
    router = Router().hear(s.a14("X"), *said)
    assert why(router) == [reasons.TOO_MANY_CANCELS] * 5
    assert all(item.withheld and item.raw for item in router.review)
    router.restart().hear(*map(again, said))
    assert len(router.review) == 2 * 5  # what is held is told again, and nothing more is
    assert router.hear(s.a27(), s.a02("W1"), s.a14("Y")).wards == ["Y"]
    assert len(router.review) == 2 * 5


def test_what_lies_ahead_more_often_than_anybody_plans_is_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_visit, "MAX_AHEAD", 10)
    s = Source()
    said = [ahead(s.a02(f"W{n}"), minutes(500 + n)) for n in range(15)]
    router = Router().hear(s.a14("X"), *said)
    assert why(router) == [reasons.TOO_MANY_AHEAD] * 5
    router.restart().hear(*map(again, said), s.a14("Y"))
    assert len(why(router)) == 10
    assert router.wards == ["Y"]


def test_of_many_long_visits_those_that_were_used_last_stay_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 40 facts that may stay parsed, two visits of 15 do, and a third puts away the first."""
    read: Counter[str] = Counter()

    def parse(row: bytes) -> Fact:
        read["rows"] += 1
        return parsed(row)

    def rows_read(visit: Visit) -> int:
        visit.fold_, read["rows"] = None, 0
        visit.fold()
        return read["rows"]

    together = LongVisits()
    visits = [Visit("ehr", f"v{n}", long_visits=together) for n in range(3)]
    for visit in visits:
        for said in (Source(visit=visit.visit).a02(f"W{n}") for n in range(15)):
            visit.hold(fact_of(said))
    monkeypatch.setattr(held_visit, "parsed", parse)
    first, second, third = visits
    assert [rows_read(each) for each in (first, second, first, second)] == [15, 15, 0, 0]
    assert [rows_read(each) for each in (third, second, third, first)] == [15, 0, 0, 15]
