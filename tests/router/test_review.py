"""An item of the router is open exactly while what it says is so: by merges, other readings, replays, restarts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import held_visit, numbers, reasons, state
from router.core.review import MAX_WITHHELD, item_id
from schemas import topics
from schemas.observation import Observation
from tests.router.hearing import Router, rows
from tests.router.saying import REALM, Source, again, envelope, minutes, patient
from tests.router.test_identity import crowd, stories
from tests.router.test_invariants import Tally

LATER = minutes(600)


def replay(router: Router, said: Observation, at: datetime = LATER) -> Router:
    """A person has its input read again, for all that is open of it."""
    of_input = [i.id for i in router.review if i.raw and i.raw.id == f"raw-{said.id}"]
    settles = tuple(item for item in dict.fromkeys(of_input) if item in router.waiting)
    read = envelope(said).model_copy(update={"replayed_at": at, "settles": settles})
    router.feed(topics.OBSERVATIONS, read.to_json())
    return router


def reasons_of(items: Iterable[str]) -> list[str]:
    return sorted(item.split("|")[1] for item in items)


def merged(one: str, other: str, at: int = 30) -> Observation:
    return Source(patient=one, at=minutes(at)).a40(other)


def reread(said: Observation, *numbers_: str, visit: str | None = None) -> Observation:
    """By another configuration."""
    changed = {"revision": said.revision + 1, "patient": patient(*numbers_)}
    return said.model_copy(update=changed | ({"visit": visit} if visit else {}))


# -- each kind: what raises it, and what ends it --------------------------------------------------------

V1, V2 = Source(visit="v1"), Source(visit="v2", at=minutes(1))
FOREIGN = [V1.of("A").a14("W1"), V1.of("B").a14("W2")]
CIRCLE = [merged("A", "B", 1), merged("B", "A", 2)]
DISPUTE = [V1.of("A", "n").a14("W1"), V2.of("B", "n").a14("W2")]
TWICE = [
    Source(visit="1@NORR").of("A").a14("W1"),
    Source(visit="1", at=minutes(3)).of("A").a14("W1"),
]

TABLE: dict[str, tuple[Sequence[Observation], str, Observation | None]] = {
    "another's event counts by a merge": (FOREIGN, reasons.VISIT_OF_ANOTHER, merged("B", "A")),
    "and where the merge names the other way": (
        FOREIGN, reasons.VISIT_OF_ANOTHER, merged("A", "B")
    ),
    "another's event is that patient's by another reading": (
        FOREIGN, reasons.VISIT_OF_ANOTHER, reread(FOREIGN[1], "A")
    ),
    "another's event is of a visit of its own by another reading": (
        [V1.of("A").a14("W1"), Source(visit="1@X").of("A").a14("W1"),
         said := Source(visit="1@X", at=minutes(5)).of("B").a14("W2")],
        reasons.VISIT_OF_ANOTHER, reread(said, "B", visit="1@Y"),
    ),
    "the sender says that it has corrected the patient": (
        FOREIGN, reasons.VISIT_OF_ANOTHER,
        V1.of("B").a08(minutes(1.5)).model_copy(update={"corrects_patient": True}),
    ),
    "a circle is none by another reading of one of its merges": (
        CIRCLE, reasons.ALIAS_CYCLE, reread(CIRCLE[0], "C")
    ),
    "a merge makes one patient of those who had a number": (
        DISPUTE, reasons.NUMBER_OF_ANOTHER, merged("A", "B")
    ),
    "a number is another's no more by another reading": (
        DISPUTE, reasons.NUMBER_OF_ANOTHER, reread(DISPUTE[1], "B")
    ),
    "a visit has its assigner by another reading": (
        TWICE, reasons.WITHOUT_ASSIGNER, reread(TWICE[1], "A", visit="1@NORR")
    ),
}  # fmt: skip


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("name", TABLE)
def test_what_is_no_longer_so_ends_and_not_before(name: str, *, is_restarted: bool) -> None:
    said, reason, ends = TABLE[name]
    router = Router().hear(*said)
    assert reasons_of(router.waiting) == [reason]
    for number, each in enumerate((*said, *said), 1):  # read again alike: it is as wrong as before
        replay(router, each, LATER + timedelta(minutes=number))
        router.hear(again(each))
        router = router.restart() if is_restarted else router
        assert reasons_of(router.waiting) == [reason], f"read again {number} times"
    assert ends is not None
    router.hear(ends)
    assert router.waiting == set()
    for each in said:
        router.hear(again(each)) if each.id != ends.id else None
    assert router.waiting == set()


def test_what_is_so_again_is_open_again() -> None:
    router = Router().hear(*FOREIGN, merged("B", "A", 30))
    assert router.waiting == set()
    router.hear(reread(merged("B", "A", 30), "C"))
    assert reasons_of(router.waiting) == [reasons.VISIT_OF_ANOTHER]
    router.hear(merged("B", "A", 40))
    assert router.waiting == set()


def test_the_clocks_of_feeds_decide_nothing() -> None:
    """What ends an item may have been received before what it is of."""
    router = Router()
    for each in FOREIGN:
        router.hear_at_once(each, received_at=minutes(100))
    router.hear_at_once(merged("B", "A"), received_at=minutes(1))
    assert router.waiting == set()
    router.hear_at_once(reread(merged("B", "A"), "C"), received_at=minutes(0))
    assert reasons_of(router.waiting) == [reasons.VISIT_OF_ANOTHER]


# -- what is withheld, until it is taken ------------------------------------------------------------------


def test_what_was_too_late_ends_when_it_is_taken() -> None:
    said = V1.of("A").a14("W1")
    router = Router(keep=timedelta(days=1))
    router.hear_at_once(said, received_at=minutes(0) + timedelta(days=3))
    assert reasons_of(router.waiting) == [reasons.TOO_LATE]
    replay(router, said, LATER + timedelta(days=3))
    assert reasons_of(router.waiting) == [reasons.TOO_LATE]
    router.step = Router(keep=timedelta(days=30)).step
    router.restart().hear_at_once(said, received_at=minutes(0) + timedelta(days=4))
    assert router.waiting == set()
    assert router.wards == ["W1"]


def test_another_reason_replaces_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_visit, "MAX_FACTS", 2)
    said = [V1.of("A").a14(f"W{n}") for n in range(3)]
    router = Router(keep=timedelta(days=1))
    router.hear_at_once(said[2], received_at=minutes(0) + timedelta(days=3))
    assert reasons_of(router.waiting) == [reasons.TOO_LATE]
    router.hear(*said)
    assert reasons_of(router.waiting) == [reasons.TOO_MANY_EVENTS]
    monkeypatch.setattr(held_visit, "MAX_FACTS", 3)
    router.restart().hear(said[2])
    assert router.waiting == set()


def test_what_a_visit_held_no_more_of_ends_when_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_visit, "MAX_FOREIGN", 2)
    monkeypatch.setattr("router.core.recognise.MAX_FOREIGN", 2)
    said = [V1.of(f"P{n}").a14("W1") for n in range(5)]
    router = Router().hear(*said)
    assert reasons_of(router.waiting) == [reasons.VISIT_OF_ANOTHER] * 4 + [reasons.VISIT_OF_MANY]
    router.restart().hear(*(merged(f"P{n}", "P0", 30 + n) for n in range(1, 5)))
    assert router.waiting == {item_id(reasons.VISIT_OF_ANOTHER, each.id) for each in said[3:]}
    router.hear(*said)
    assert router.waiting == set()


def test_visits_beyond_the_limit_end_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_VISITS", 1)
    said = [Source(visit=f"v{n}").of("A").a14("W1") for n in range(2)]
    router = Router().hear(*said)
    replay(router, said[1])
    assert reasons_of(router.waiting) == [reasons.TOO_MANY_VISITS]
    monkeypatch.setattr(state, "MAX_VISITS", 2)
    assert replay(router, said[1], LATER + timedelta(hours=1)).waiting == set()


def test_numbers_that_were_too_many_are_tied_when_they_are_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = [V1.of("a", "b").a14("W1"), V2.of("b", "c").a14("W2"), merged("c", "d")]
    monkeypatch.setattr(numbers, "MAX_TOGETHER", 2)
    router = Router().hear(*said)
    for each in said:
        replay(router, each)
    assert reasons_of(router.waiting) == [reasons.TOO_MANY_NUMBERS]
    monkeypatch.setattr(numbers, "MAX_TOGETHER", 9)
    router.restart().hear(*map(again, said))
    assert router.waiting == set()
    of_number = router.state.realm(REALM).numbers_of("ehr")
    assert {of_number.resolve(each) for each in "abcd"} == {"d"}


def test_a_number_of_many_waits_until_the_profile_names_it() -> None:
    said = crowd(60)
    router = Router().hear(*said)
    (item,) = (i for i in router.review if i.reason == reasons.NUMBER_OF_MANY)
    (raised_by,) = (each for each in said if item.raw and item.raw.id == f"raw-{each.id}")
    assert item.id in replay(router, raised_by).waiting
    read = reread(raised_by, raised_by.patient.key)
    assert item.id not in replay(router, read, LATER + timedelta(hours=1)).waiting


def test_versions_that_contradict_each_other_do_so_read_again() -> None:
    said = [V1.of("A").row("ER", at=minutes(n)) for n in (5, 4)]
    series = [
        each.stamp.model_copy(update={"series": "s", "sequence": n}) for n, each in enumerate(said)
    ]
    said = [e.model_copy(update={"stamp": s}) for e, s in zip(said, series, strict=True)]
    router = Router().hear(*said)
    assert reasons_of(router.waiting) == [reasons.VERSIONS_CONTRADICT]
    assert reasons_of(replay(router, said[1]).waiting) == [reasons.VERSIONS_CONTRADICT]


def test_what_is_withheld_for_long_is_forgotten_by_the_router_and_waits_for_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_WITHHELD == 10_000
    monkeypatch.setattr("router.core.review.MAX_WITHHELD", 5)
    said = [Source(visit=f"v{n}").of("A").a14("W1") for n in range(9)]
    router = Router(keep=timedelta(days=1))
    for each in said:
        router.hear_at_once(each, received_at=minutes(0) + timedelta(days=3))
    assert len(router.waiting) == 9
    assert sum("|withheld|" in key for key in rows(router.records, topics.STATE)) == 5


# -- any history ------------------------------------------------------------------------------------------


def wrong(router: Router) -> set[str]:
    """What the facts themselves say is wrong, folded anew."""
    realm = router.state.realm(REALM)
    found: set[str] = set()
    for visit in realm.visits.values():
        visit.fold_ = None
        visit.fold()
        found |= {item_id(reasons.VISIT_OF_ANOTHER, fact_id) for fact_id in visit.foreign}
    of_source = realm.numbers_of("ehr")
    for number in "abcde":
        people = of_source._gathered(number)
        found |= {item_id(reasons.ALIAS_CYCLE, merge) for merge in people.refused}
        found |= {item_id(reasons.NUMBER_OF_ANOTHER, "ehr", each) for each in people.disputed}
    return found


def test_what_is_open_is_what_is_wrong_after_every_input() -> None:
    tally = Tally("open is wrong")

    @settings(max_examples=3 * settings().max_examples)
    @given(stories(), st.integers(0, 2**32))
    def holds(said: list[Observation], seed: int) -> None:
        random = Random(seed)
        arriving = list(said)
        random.shuffle(arriving)
        heard: list[Observation] = []
        router, ended = Router(), 0
        while arriving or random.random() < 0.8:
            before = router.waiting
            if random.random() < 0.2:
                router.restart()
            if heard and (not arriving or random.random() < 0.4):
                each = random.choice(heard)
                if random.random() < 0.3 and each.merged_into is None:
                    owner, *others = random.sample("abcde", random.randint(1, 3))
                    heard.remove(each)
                    each = reread(each, owner, *others)
                    heard.append(each)
                if random.random() < 0.5:
                    replay(router, each, LATER + timedelta(minutes=random.randint(0, 9)))
                else:
                    router.hear(again(each))
            else:
                heard.append(arriving.pop())
                router.hear(heard[-1])
            assert router.waiting == wrong(router)
            ended += bool(before - router.waiting)
        tally.extra["ended"] += ended > 0
        tally.extra["met"] += bool(router.waiting)
        tally.count(router)

    holds()
    tally.report("ended", "met", share=12)
