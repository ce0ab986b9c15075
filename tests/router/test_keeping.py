"""What is kept, and for how long: nothing that is needed goes, and nothing else stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from pydantic import BaseModel

from bus.port import Record
from router.core import backlog, retention
from router.core.held_visit import Visit
from router.core.state import Realm
from router.core.visit import Fold
from schemas import topics
from schemas.observation import OF_OUR_CLOCK, Observation, Protection
from tests.router.hearing import Router, authority, rows
from tests.router.saying import REALM, START, Source, again, minutes

KEEP = timedelta(days=30)
DAY = timedelta(days=1)


def realm(router: Router) -> Realm:
    return router.state.realm(REALM)


def kinds(router: Router) -> Counter[str]:
    """How many rows of state there are of each kind."""
    return Counter(key.split("|")[1] for key in rows(router.records, topics.STATE))


def swept(router: Router, at: datetime) -> Router:
    """Time passes until then, and everything is looked at."""
    if (seen := realm(router).seen) is None or seen.at < at:
        day = seen.at if seen else at
        while day < at:
            day = min(day + DAY, at)
            router.tick(day)  # a jump, which what is recorded at that time confirms
            router.hear(Source(visit=f"clock-{day}", patient="clock", at=day - DAY).a11(day))
        router.tick(at)
    for second in range(1, 8):
        router.tick(at + timedelta(seconds=second))
    return router


# -- a protection mark ------------------------------------------------------------------------------


def protected_now(router: Router, at: datetime, patient: str = "p1") -> bool:
    router.hear(Source(visit=f"new-{at}", patient=patient, at=at).a14("NEW"))
    return router.told[-1].data.protected


@pytest.mark.parametrize("lifted_by", ["visit", "person", "other number"])
def test_a_lifted_mark_does_not_return_when_visits_are_swept(lifted_by: str) -> None:
    marked, free = Source(visit="v1"), Source(visit="v2", at=minutes(10))
    router = Router().hear(marked.a14("W", protection=Protection.PROTECTED), marked.a03())
    if lifted_by == "visit":
        router.hear(free.a08(protection=Protection.NONE), free.a03())
    elif lifted_by == "person":
        router.hear(free.a31(Protection.NONE))
    else:
        router.hear(free.of("p2", "p1").a08(protection=Protection.NONE), free.a03())
    later = START + timedelta(days=40)
    swept(router, later)
    assert not {at for at in realm(router).visits if at[1] in {"v1", "v2"}}
    assert not protected_now(router.restart(), later + timedelta(minutes=1))


def test_a_mark_that_was_not_lifted_stays_and_costs_one_row() -> None:
    marked = Source(visit="v1")
    router = Router()
    for _ in range(5):
        router.hear(
            marked.a31(Protection.CONFIDENTIAL), marked.a08(protection=Protection.PROTECTED)
        )
    router.hear(marked.a03())
    later = START + timedelta(days=80)
    swept(router, later)
    assert kinds(router)["person"] == 1
    assert protected_now(router.restart(), later + timedelta(minutes=1))


def test_a_mark_counts_under_another_number_after_all_visits_have_gone() -> None:
    s = Source(visit="v1")
    router = Router().hear(s.of("A", "n").a14("W", protection=Protection.PROTECTED), s.a03())
    later = START + timedelta(days=80)
    swept(router, later)
    assert kinds(router)["number"] == 1
    assert protected_now(router.restart(), later + timedelta(minutes=1), "n")


def test_unmarked_person_data_leave_nothing() -> None:
    router = Router()
    for n in range(50):
        router.hear(Source(patient=f"p{n}", others=(f"n{n}",)).a31(Protection.NONE))
    swept(router, START + timedelta(days=80))
    assert not kinds(router).keys() & {"person", "number"}
    assert realm(router).persons == {"ehr": {}}


# -- versions ---------------------------------------------------------------------------------------


def test_no_notifications_id_ever_comes_again() -> None:
    router = Router()
    for month in range(5):
        s = Source(visit="v1", patient=f"p{month}", at=START + timedelta(days=45 * month))
        router.hear(s.a14("W"), s.a08(expected_at=minutes(month)), s.a27(), s.a14("W"), s.a03())
        swept(router, s.at + timedelta(days=40)).restart()
        assert kinds(router)["told"] == 0
    ids = [each.id for each in router.told]
    assert len(ids) == len(set(ids)) == 25
    versions = [each.data.version for each in router.told]
    assert versions == sorted(versions)


def test_a_visit_is_kept_while_a_ward_is_told_that_somebody_comes_by_it() -> None:
    """Continuity: announced by one source, meanwhile another's. The ward sees whose the first visit is."""
    ehr, elvis = Source("ehr", visit="v1"), Source("elvis", visit="e1")
    router = Router("ehr").hear(ehr.a14("W"), elvis.row("ER", "W"))
    router.believe("elvis").hear(ehr.a03())
    later = START + timedelta(days=40)
    swept(router, later)
    assert ("ehr", "v1") in realm(router).visits
    assert router.open == {("W", "ehr", "v1")}
    router.restart().hear(Source("elvis", visit="e1", at=later).row("W"))
    assert router.open == set()
    swept(router, later + timedelta(minutes=5))
    assert ("ehr", "v1") not in realm(router).visits
    assert kinds(router)["told"] == 0
    again_told = Source("ehr", visit="v1", at=later + timedelta(hours=1))
    router.believe("ehr").hear(again_told.a14("W"))
    assert router.told[-1].data.version > router.told[-2].data.version


# -- a clock that is wrong --------------------------------------------------------------------------


def test_a_clock_a_hundred_days_ahead_forgets_nothing() -> None:
    s, other = Source(visit="v1"), Source(visit="v2", patient="p2")
    router = Router().hear(s.a14("W"), s.a03(), other.a14("V")).tick(minutes(20))
    ahead = minutes(21) + timedelta(days=100)
    for second in range(30):
        router.tick(ahead + timedelta(seconds=10 * second))
    late = again(s.a08(minutes(22)))
    router.hear_at_once(late, received_at=ahead)
    assert set(realm(router).visits) == {("ehr", "v1"), ("ehr", "v2")}
    assert router.review == []


def test_a_jump_moves_authority_once_a_sender_confirms_it_and_not_before() -> None:
    router = Router("W1=ehr", "W1=elvis@12:00").tick(minutes(1)).hear(Source().a14("W1"))
    for minute in range(365, 380):
        router.tick(minutes(minute))
    assert router.wards == ["W1"]
    router.restart().hear(Source(visit="v2", patient="p2").a01("ER", minutes(10)))
    assert router.wards == ["W1"]
    router.hear(Source(visit="v2", patient="p2").a02("X", minutes(378)))
    assert router.wards == []
    assert router.words[-1] == "W1 withdrawn authority-moved"


@pytest.mark.parametrize("rule", sorted(OF_OUR_CLOCK))
def test_what_our_own_clock_has_stamped_confirms_no_jump_of_it(rule: str) -> None:
    router = Router("W1=ehr", "W1=elvis@12:00").tick(minutes(1)).hear(Source().a14("W1"))
    for minute in range(365, 380):
        router.tick(minutes(minute))
    said = Source(visit="v2", patient="p2").a02("X", minutes(378))
    router.hear(said.model_copy(update={"recorded_rule": rule}))
    assert router.wards == ["W1"]
    router.hear(again(said))  # by its sender's clock
    assert router.wards == []


def test_what_confirms_a_jump_and_makes_one_patient_of_two_tells_each_ward_once() -> None:
    """Authority over one ward moves with the message that gives the patient of another the first one's number."""
    router = Router("ehr", "W1=elvis@12:00").tick(minutes(1)).hear(
        Source(visit="v1", patient="A").a14("W1"), Source(visit="v2", patient="B").a14("W2")
    )  # fmt: skip
    for minute in range(365, 370):
        router.tick(minutes(minute))
    router.hear(Source(visit="v3").of("A", "B").a08(minutes(369)))
    assert router.words[2:] == ["W2 changed updated", "W1 withdrawn authority-moved"]
    assert router.wards == ["W2"]
    told = router.state.realm(REALM).told
    assert {each.terms.patient for each in told.values()} == {"A"}
    router.restart().hear(Source(visit="v2", patient="B", at=minutes(380)).a27())
    assert router.wards == []


def test_a_set_back_undoes_what_a_clock_that_was_ahead_has_moved() -> None:
    router = Router("W1=ehr", "W1=elvis@12:00").tick(minutes(1)).hear(Source().a14("W1"))
    for minute in range(365, 430, 2):
        router.tick(minutes(minute))  # an hour ahead of everybody else
    assert router.wards == []
    router.restart()
    for minute in range(70, 132, 2):
        router.tick(minutes(minute))
    router.hear(Source(visit="v2", patient="p2").a01("ER", minutes(130)))
    assert router.wards == ["W1"]


# -- many at once -----------------------------------------------------------------------------------


def crowded(count: int) -> Iterator[Observation]:
    for n in range(count):
        yield Source(visit=f"v{n}", patient=f"p{n}").a14(f"W{n % 3}")
        yield Source("elvis", visit=f"e{n}", patient=f"p{n}").row("ER", f"W{(n + 1) % 3}")


@pytest.mark.parametrize("restarts", [False, True])
def test_authority_moves_in_bounded_parts_that_go_on_by_themselves(
    monkeypatch: pytest.MonkeyPatch, *, restarts: bool
) -> None:
    monkeypatch.setattr(backlog, "LOOKED_AT", 10)
    router = Router("ehr").hear(*crowded(40)).tick(minutes(1))
    straight = Router("elvis").hear(*crowded(40))
    router.goes_on, router.records = False, [r for r in router.records if r.topic != topics.TICKS]
    waiting = [decided_by(router.feed, topics.AUTHORITY, authority("elvis"))]
    while told := waiting[-1]:
        assert len([r for r in router.records if r.topic == topics.TICKS]) == len(waiting)
        if restarts and len(waiting) in {2, 7, 8}:
            router.restart()
        waiting.append(decided_by(router.feed, topics.TICKS, told))
    assert 12 <= len(waiting) <= 24
    assert router.open == straight.open
    assert router.inbound == router.open
    assert kinds(router)["backlog"] == 0
    reasons = Counter(f"{n.data.kind} {n.data.reason}" for n in router.told)
    assert reasons["withdrawn authority-moved"] == reasons["designated authority-moved"] == 40


def decided_by(
    feed: Callable[[str, bytes], Sequence[Record]], topic: str, said: BaseModel | bytes
) -> bytes:
    """The tick by which the router goes on after a record; nothing where it has come to the end."""
    value = said if isinstance(said, bytes) else said.model_dump_json().encode()
    ticks = [record.value for record in feed(topic, value) if record.topic == topics.TICKS]
    assert len(ticks) <= 1
    return ticks[0] or b"" if ticks else b""


# -- months -----------------------------------------------------------------------------------------


def a_day(day: int, random: Random) -> Iterator[Observation]:
    """Ten patients come, are marked, moved and discharged; numbers change, are merged and disputed."""
    start = START + day * DAY
    for n in range(10):
        number = f"{day}-{n}"
        s = Source(visit=f"v{number}", patient=f"p{number}", at=start + timedelta(minutes=n))
        s.others = (f"mr{number}",) if random.random() < 0.5 else ()
        yield s.a01("ER")
        yield s.a14(f"W{random.randint(0, 9)}", protection=Protection.NONE)
        if random.random() < 0.1:
            yield s.a31(random.choice([Protection.NONE, Protection.CONFIDENTIAL]))
        if random.random() < 0.1:
            yield s.a40(f"q{number}")
        if random.random() < 0.1:
            other = Source(visit=f"x{number}", patient=f"y{number}", at=s.at, others=s.others)
            yield from (other.a01("ER"), other.a03())
        yield s.a31() if random.random() < 0.2 else s.a08()
        yield s.a03(s.at + timedelta(days=random.choice([0, 0, 0, 4])))


def sizes(router: Router) -> Counter[str]:
    """Rows of state by kind, and entries of each index."""
    of, found = realm(router), kinds(router)
    bonds = [numbers.bonds for numbers in of.numbers.values()]
    found["index: visits"] = len(of.visits)
    found["index: by patient"] = sum(map(len, of.by_patient.values()))
    found["index: by ward"] = sum(map(len, of.by_ward.values()))
    found["index: persons"] = sum(len(each) for by in of.persons.values() for each in by.values())
    found["index: told"] = len(of.told) + len(of.open_of) + len(of.open_at)
    found["index: numbers"] = sum(len(each.everyone()) for each in bonds)
    found["index: folded people"] = sum(len(each.folded()) for each in of.numbers.values())
    found["aliases"] = len(rows(router.records, topics.ALIASES))
    found["encounters"] = len(rows(router.records, topics.ENCOUNTERS))
    return found


def test_over_months_what_is_kept_is_bounded_by_what_is_open_and_kept() -> None:
    random, router = Random(20), Router()
    router.tick(START)
    measured: dict[int, Counter[str]] = {}
    for day in range(181):
        at = START + day * DAY
        router.tick(at)  # a jump, which the day's messages confirm
        router.hear(*a_day(day, random))
        for minute in range(61, 66):
            router.tick(at + timedelta(minutes=minute))
        router.records = [
            record for topic in (topics.STATE, topics.ALIASES, topics.ENCOUNTERS)
            for record in compacted(router, topic)
        ]  # fmt: skip
        if day in {60, 120, 180}:
            measured[day] = sizes(router)
            router.restart()
            assert sizes(router) - measured[day] == Counter()
    for day, found in measured.items():
        print(f"\nafter {day} days: {dict(sorted(found.items()))}")
    marked = sum(Protection.CONFIDENTIAL.value in row for row in marks(router))
    for kind, count in measured[180].items():
        allowed = 1.1 * max(measured[60][kind], measured[120][kind]) + 5
        if kind in _WITH_MARKS:
            allowed += 3 * marked
        assert count <= allowed, f"{kind}: {[each[kind] for each in measured.values()]}"


_WITH_MARKS = ("person", "spoken", "index: persons", "number", "merge", "index: numbers", "aliases",
               "index: folded people")  # fmt: skip
"""What is kept with the mark of a protected person: it would be found under no other number."""


def marks(router: Router) -> list[str]:
    kept = rows(router.records, topics.STATE)
    return [value.decode() for key, value in kept.items() if "|person|" in key]


def compacted(router: Router, topic: str) -> list[Record]:
    newest = {record.key: record for record in router.records if record.topic == topic}
    return [record for record in newest.values() if record.value is not None]


def test_a_tick_looks_at_a_bounded_number_of_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SWEPT", 3)
    router = Router().hear(*crowded(20)).tick(minutes(1)).restart()
    looked: list[Visit] = []
    glance = Visit.glance

    def noted(visit: Visit) -> Fold:
        looked.append(visit)
        return glance(visit)

    monkeypatch.setattr(Visit, "glance", noted)
    visits = realm(router).visits
    ticks = -(-len(visits) // 3)
    for minute in range(ticks):
        before = len(looked)
        router.tick(minutes(2 + minute))
        assert 0 < len(looked) - before <= 3
    assert {visit.at for visit in looked} == visits.keys(), "all have their turn"
    assert len(looked) == len(visits)
    assert not [visit for visit in visits.values() if visit.fold_ is not None]
