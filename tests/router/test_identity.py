"""Whose a number and a visit are, as the router tells it: wards, review, aliases; in every order of arrival."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from router.core import bonds, held_visit, numbers, person_statements, reasons, state
from router.core.facts import fact_of
from router.core.patient import visits_of
from router.core.people import Merge, NumbersStatement, folded
from schemas import topics
from schemas.observation import Observation, Protection
from tests.router.hearing import Router, rows
from tests.router.saying import REALM, START, Source, again, minutes, patient
from tests.router.test_invariants import Tally, assert_well_formed


def why(router: Router) -> list[str]:
    """Reasons in review, each item once."""
    return sorted({item.id: item.reason for item in router.review}.values())


def patients(router: Router) -> dict[str, str]:
    """Visit -> whose it is, by what the router published."""
    leads = aliases(router)
    return {key: whose(leads, key, view["patient"]) for key, view in router.encounters.items()}


def aliases(router: Router) -> dict[str, str]:
    values = map(json.loads, rows(router.records, topics.ALIASES).values())
    return {f"{each['source']}|{each['number']}": each["patient"] for each in values}


def whose(leads: dict[str, str], visit: str, number: str) -> str:
    source = visit.partition("|")[0]
    while f"{source}|{number}" in leads:
        number = leads[f"{source}|{number}"]
    return number


def received(said: Observation, milliseconds: int) -> Observation:
    """In the same second and sequence of its source as all that are received so."""
    later = said.stamp.at + timedelta(milliseconds=milliseconds)
    stamp = said.stamp.model_copy(update={"sequence": 0, "received_at": later})
    return said.model_copy(update={"stamp": stamp})


# -- statements and merges --------------------------------------------------------------------------


def test_a_merge_by_another_number_finds_the_visit_and_the_mark_counts() -> None:
    """Case 15, in every order of arrival."""
    s = Source()
    said = [
        s.of("RES", "MO-1").a14("W5"),
        s.of("MO-1").merged("PN", "MO-9"),
        s.of("PN", "MO-9").a31(Protection.CONFIDENTIAL),
    ]
    for order in permutations(said):
        router = Router().hear(*order)
        assert patients(router) == {"ehr|v1": "PN"}
        assert (router.wards, router.told[-1].data.protected) == (["W5"], True)
        assert router.review == []
        router.restart().hear(Source(visit="v2", patient="MO-1", at=minutes(9)).a14("W6"))
        assert router.told[-1].data.protected
        assert patients(router)["ehr|v2"] == "PN"


def test_a_circle_of_merges_is_refused_where_it_closes_by_the_stamp() -> None:
    """Case 14: the visit stays whose it was, and the second merge is to blame, whichever comes last."""
    a, b = Source(patient="A"), Source(patient="B")
    plan = a.a14("W4")
    first, second = b.a40("A", at=minutes(15)), a.a40("B", at=minutes(15))
    first, second = received(first, 1), received(second, 2)
    for order in permutations([plan, first, second]):
        router = Router().hear(*order, again(first), again(second))
        assert patients(router) == {"ehr|v1": "A"}
        assert why(router) == [reasons.ALIAS_CYCLE]
        (item,) = {item.id: item for item in router.review}.values()
        assert item.id.endswith(second.id)
        assert item.raw is not None
        assert item.raw.id == f"raw-{second.id}"
    router.hear(Source(patient="B", at=minutes(20)).a27("W4"))
    assert router.wards == []


def test_the_blame_moves_where_a_merge_comes_late() -> None:
    a, b, c = Source(patient="A"), Source(patient="B"), Source(patient="C")
    a_into_b, b_into_c = a.a40("B", minutes(1)), b.a40("C", minutes(3))
    c_into_a = c.a40("A", minutes(2))
    router = Router().hear(a_into_b, b_into_c)
    assert router.review == []
    router.restart().hear(c_into_a)
    (item,) = router.review
    assert (item.reason, item.raw and item.raw.id) == ("alias-cycle", f"raw-{b_into_c.id}")


def test_a_number_that_changes_its_owner_is_in_review_and_merges_nobody() -> None:
    one, two = Source(visit="v1"), Source(visit="v2", at=minutes(1))
    said = [one.of("A", "n").a14("W1"), two.of("B", "n").a14("W2")]
    third = Source(visit="v3", patient="n", at=minutes(5)).a14("W3")
    for order in permutations([*said, third]):
        router = Router().hear(*order)
        assert patients(router) == {"ehr|v1": "A", "ehr|v2": "B", "ehr|v3": "B"}
        assert why(router) == [reasons.NUMBER_OF_ANOTHER]
        assert router.wards == ["W1", "W2", "W3"]


def test_it_is_told_once_however_often_the_number_changes_hands() -> None:
    one, two = Source(visit="v1").of("A", "n"), Source(visit="v2").of("B", "n")
    router = Router().hear(*(each.a08() for _ in range(5) for each in (one, two)))
    assert why(router) == [reasons.NUMBER_OF_ANOTHER]
    assert len(router.review) == 1


def test_numbers_are_each_sources_own() -> None:
    ehr, elvis = Source(visit="v1"), Source("elvis", visit="v1")
    router = Router().hear(ehr.of("A", "n").a14("W"), elvis.of("B", "n").row("ER", "W"))
    assert patients(router) == {"ehr|v1": "A", "elvis|v1": "B"}
    assert router.review == []
    router.hear(Source("elvis", patient="A").a40("C"))
    assert patients(router) == {"ehr|v1": "A", "elvis|v1": "B"}


def test_another_reading_takes_back_what_it_no_longer_says() -> None:
    s = Source()
    said = s.of("A", "n").a14("W")
    other = Source(visit="v2", patient="n", at=minutes(3)).a14("V")
    router = Router().hear(said, other)
    assert patients(router)["ehr|v2"] == "A"
    read_again = said.model_copy(update={"revision": 1, "patient": patient("A")})
    router.restart().hear(read_again)
    assert patients(router) == {"ehr|v1": "A", "ehr|v2": "n"}
    assert aliases(router) == {}
    assert not any("|number|" in key for key in rows(router.records, topics.STATE))


def test_a_refused_merge_that_is_read_again_is_in_review_again() -> None:
    a, b = Source(patient="A"), Source(patient="B", at=minutes(1))
    closes = b.a40("A")
    router = Router().hear(a.a40("B"), closes)
    router.hear(closes.model_copy(update={"revision": 1}))
    assert [item.reason for item in router.review] == [reasons.ALIAS_CYCLE] * 2


# -- a number that is nobody's ----------------------------------------------------------------------


def crowd(count: int) -> list[Observation]:
    """So many patients whose messages all carry 0000, each of a visit of their own."""
    said = []
    for each in range(count):
        s = Source(visit=f"v{each}", at=minutes(each))
        said.append(s.of(f"p{each}", "0000").a14("W"))
    return said


@pytest.mark.parametrize("is_owner", [False, True])
def test_what_everybody_has_is_nobodys_and_in_review_once(is_owner: bool) -> None:  # noqa: FBT001
    said = crowd(bonds.MAX_BESIDE + 30)
    if is_owner:  # the constant is what the profile prefers
        said = [
            each.model_copy(update={"patient": patient("0000", each.patient.key)}) for each in said
        ]
    router = Router().hear(*said)
    assert why(router).count(reasons.NUMBER_OF_MANY) == 1
    assert set(why(router)) <= {reasons.NUMBER_OF_MANY, reasons.NUMBER_OF_ANOTHER}
    assert len(router.open) == len(said)
    of_number = router.state.realm(REALM).numbers_of("ehr")
    assert {of_number.resolve(f"p{n}") for n in range(80)} == {f"p{n}" for n in range(80)}
    assert aliases(router) == {}
    kept = rows(router.records, topics.STATE)
    assert sum("|number|" in key for key in kept) == 0
    before = len(router.review)
    router.restart().hear(*crowd(200)[bonds.MAX_BESIDE + 30 :])
    assert len(router.review) == before
    merge = Source(patient="0000", at=minutes(500)).a40("p1")
    router.hear(merge)
    assert router.state.realm(REALM).numbers_of("ehr").resolve("0000") == "0000"
    assert router.review[-1].reason == reasons.NUMBER_OF_MANY


def test_what_a_few_share_is_a_dispute_that_ties_nobody() -> None:
    router = Router().hear(*crowd(bonds.MAX_BESIDE - 1))
    assert why(router) == [reasons.NUMBER_OF_ANOTHER]
    assert set(patients(router).values()) == {f"p{n}" for n in range(bonds.MAX_BESIDE - 1)}


def test_more_numbers_than_anybody_has_are_not_tied_together() -> None:
    chain = [
        Source(patient=f"p{n}", at=minutes(n)).a40(f"p{n + 1}")
        for n in range(numbers.MAX_TOGETHER + 50)
    ]
    router = Router().hear(*chain)
    assert set(why(router)) == {reasons.TOO_MANY_NUMBERS}
    assert len(router.review) <= 100
    of_number = router.state.realm(REALM).numbers_of("ehr")
    assert of_number.resolve("p0") == f"p{numbers.MAX_TOGETHER - 1}"


@pytest.mark.parametrize("read_again", [("b",), ("c",), ("c", "n"), ("b", "x"), ("a", "b")])
def test_what_a_reading_says_no_more_does_not_count_though_another_statement_says_it(
    read_again: tuple[str, ...],
) -> None:
    """Who said last whose a number is: not the statement that says something else by now."""
    first, last = Source(visit="v1").of("b", "a"), Source(visit="v3", at=minutes(20)).of("b", "a")
    said = [first.a08(), Source(visit="v2", at=minutes(10)).of("a", "b").a08(), last.a08()]
    anew = said[2].model_copy(update={"revision": 1, "patient": patient(*read_again)})
    router, plainly = Router().hear(*said, anew), Router().hear(said[0], said[1], anew)
    for each in (router, router.restart()):
        of_number = each.state.realm(REALM).numbers_of("ehr")
        expected = plainly.state.realm(REALM).numbers_of("ehr")
        assert {n: of_number.resolve(n) for n in "abcnx"} == {
            n: expected.resolve(n) for n in "abcnx"
        }
        assert patients(each) == patients(plainly)


def test_another_telling_of_a_merge_lets_those_go_whom_it_does_not_name() -> None:
    s = Source(visit="v1")
    said = [s.of(n).a08() for n in "a"]
    merge = Source(patient="a", at=minutes(5)).a40("b")
    router = Router().hear(*said, merge)
    assert patients(router) == {"ehr|v1": "b"}
    router.hear(merge.model_copy(update={"revision": 1, "patient": patient("c")}))
    assert patients(router) == patients(router.restart()) == {"ehr|v1": "a"}


def test_numbers_by_a_wrong_profile_are_no_longer_tied_once_they_are_read_anew() -> None:
    """Of persons and of survivors, in every order of arrival."""
    s = Source(visit="v2").of("p2")
    visit, person, merge = s.a14("W1"), s.of("p1", "n1").a31(), s.of("x").merged("p3", "n3")
    wrong = person.model_copy(update={"revision": -1, "patient": patient("p1", "p2")})
    wrong_owner = person.model_copy(update={"revision": -2, "patient": patient("p2", "n1", "n3")})
    wrong_survivor = merge.model_copy(update={"revision": -1, "merged_into": patient("p1", "p2")})
    for order in permutations((visit, person, wrong, wrong_owner, merge, wrong_survivor)):
        router = Router().hear(*order)
        for each in (router, router.restart()):
            of_number = each.state.realm(REALM).numbers_of("ehr")
            assert {n: of_number.resolve(n) for n in ("p2", "n1", "n3", "x")} == {
                "p2": "p2", "n1": "p1", "n3": "p3", "x": "p3",
            }  # fmt: skip


def test_of_one_person_only_so_many_statements_are_kept_whole() -> None:
    s = Source().of("p1", "n")
    said = [s.a31() for _ in range(3 * person_statements.MAX_SPOKEN)]
    router = Router().hear(*said).restart()
    kept_whole = [key for key in rows(router.records, topics.STATE) if "|spoken|" in key]
    newest = said[-person_statements.MAX_SPOKEN :]
    assert sorted(kept_whole) == sorted(f"{REALM}|spoken|ehr|p1|{each.id}" for each in newest)
    anew = {"revision": 1, "patient": patient("p1", "m")}
    router.hear(*(each.model_copy(update=anew) for each in newest))
    of_number = router.restart().state.realm(REALM).numbers_of("ehr")
    assert (of_number.resolve("n"), of_number.resolve("m")) == ("p1", "p1")
    router.tick(START)
    for minute in range(70):  # until a jump is believed
        router.tick(START + timedelta(days=40, minutes=minute))
    assert [key for key in rows(router.records, topics.STATE) if "ehr" in key] == []


def test_what_is_said_no_more_is_untied_also_where_the_rest_would_be_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers, "MAX_TOGETHER", 3)
    first, s = Source(visit="v1").of("a", "b"), Source(visit="v2", at=minutes(5)).of("b", "d")
    said = s.a08()
    router = Router().hear(first.a08(), said)
    read_again = {"revision": 1, "patient": patient("x", "y", "z")}
    router.hear(said.model_copy(update=read_again))
    assert reasons.TOO_MANY_NUMBERS not in why(router)
    read_again = {"revision": 2, "patient": patient("a", "x", "y", "z")}
    router.hear(said.model_copy(update=read_again))
    assert reasons.TOO_MANY_NUMBERS in why(router)
    for each in (router, router.restart()):
        of_number = each.state.realm(REALM).numbers_of("ehr")
        assert {n: of_number.resolve(n) for n in "abdxyz"} == {
            "a": "a", "b": "a", "d": "d", "x": "x", "y": "y", "z": "z",
        }  # fmt: skip


# -- whose a visit is ------------------------------------------------------------------------------


def test_an_event_about_somebody_else_changes_nothing_and_is_in_review() -> None:
    """Case 46, in every order of arrival."""
    s = Source(visit="IP")
    said = [
        s.of("P1").a14("W1", minutes(0)),
        s.of("P2").a14("W1", minutes(5)),
        s.of("P3").a14("W2", minutes(10)),
    ]
    for order in permutations(said):
        router = Router().hear(*order)
        assert (router.wards, patients(router)) == (["W1"], {"ehr|IP": "P1"})
        assert why(router) == [reasons.VISIT_OF_ANOTHER] * 2
        ids = {item.id.rpartition("|")[2] for item in router.review}
        assert ids >= {said[1].id, said[2].id}
        router.restart().hear(*map(again, said), s.of("P1").a27())
        assert router.wards == []


def test_a_merge_that_comes_later_makes_events_count() -> None:
    s = Source()
    said = [s.of("A").a14("W1"), s.of("B").a15("W2"), s.of("A").a40("B")]
    for order in permutations(said):
        router = Router().hear(*order)
        assert (router.wards, patients(router)) == (["W2"], {"ehr|v1": "B"})
        assert set(why(router)) <= {reasons.VISIT_OF_ANOTHER}
        router.restart().hear(s.of("B").a27())
        assert router.wards == []


def test_a_dispute_that_comes_later_makes_events_count_no_more() -> None:
    s, other = Source(), Source(visit="v9")
    said = [s.of("A", "n").a14("W1"), s.of("n").a15("W2"), other.of("B", "n").a08(minutes(9))]
    router = Router().hear(*said)
    assert router.wards == ["W1"]
    assert why(router) == [reasons.NUMBER_OF_ANOTHER, reasons.VISIT_OF_ANOTHER]
    router.hear(s.of("A", "n").a08(minutes(10)))
    assert router.wards == ["W2"]


def test_a_sender_that_corrects_by_update_says_so() -> None:
    s = Source()
    said = [
        s.of("A").a14("W1"),
        s.of("B").a08().model_copy(update={"corrects_patient": True}),
        s.of("B").a15("W2"),
        s.of("A").a15("W3"),
    ]
    for order in permutations(said):
        router = Router().hear(*order)
        assert (router.wards, patients(router)) == (["W2"], {"ehr|v1": "B"})
        assert reasons.NUMBER_OF_ANOTHER not in why(router)
        assert said[3].id in {item.id.rpartition("|")[2] for item in router.review}


def test_what_protects_a_person_counts_whosever_the_visit_is() -> None:
    s = Source()
    router = Router().hear(s.of("A").a14("W1"))
    router.hear(s.of("B").a08(protection=Protection.PROTECTED))
    assert not router.told[-1].data.protected
    router.hear(Source(visit="v2", patient="B", at=minutes(9)).a14("W2"))
    assert router.told[-1].data.protected


def test_of_a_constant_in_the_visit_field_each_event_waits_for_a_person_and_few_are_held() -> None:
    s = Source(visit="IP")
    said = [s.of(f"P{n}").a14(f"W{n % 9}") for n in range(3 * held_visit.MAX_FOREIGN)]
    router = Router().hear(*said).restart().hear(*map(again, said))
    assert router.wards == ["W0"]
    assert rows(router.records, topics.REVIEW).keys() == {
        *(f"router|{reasons.VISIT_OF_ANOTHER}|{each.id}" for each in said[1:]),
        f"router|{reasons.VISIT_OF_MANY}|ehr|IP",
    }
    assert all(item.mark_unread for item in router.review if item.withheld)
    count = sum("|fact|" in key for key in rows(router.records, topics.STATE))
    assert count == held_visit.MAX_FOREIGN + 1
    assert router.hear(s.of("P0").a27()).wards == []


# -- as many as nobody has --------------------------------------------------------------------------


def test_a_patient_with_as_many_visits_as_nobody_has_is_set_aside_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "MAX_VISITS", 20)
    said = [Source(visit=f"v{n}", at=minutes(n)).a14(f"W{n % 4}") for n in range(30)]
    router = Router().hear(*said)
    assert why(router) == [reasons.TOO_MANY_VISITS] * 10
    assert all(item.withheld and item.mark_unread and item.raw for item in router.review)
    assert len(router.open) == 20
    router.restart().hear(Source(visit="v3", at=minutes(60)).a27())
    router.hear(Source(visit="x", patient="p2", at=minutes(60)).a14("X"))
    assert len(router.open) == 20
    assert ("X", "ehr", "x") in router.open
    router.hear(Source(visit="y", patient="p3", at=minutes(61)).of("p3", "p1").a14("X"))
    assert len(router.open) == 21  # it was a patient of its own when it came
    assert patients(router)["ehr|y"] == "p3"
    assert reasons.TOO_MANY_NUMBERS in why(router)


def with_many_visits(*counts: int) -> Router:
    """p0, p1, … of so many visits each, every second of another source."""
    router = Router()
    for patient_, count in enumerate(counts):
        for n in range(count):
            s = Source(
                "elvis" if n % 2 else "ehr", visit=f"v{patient_}-{n}", patient=f"p{patient_}"
            )
            router.hear(s.a14(f"W{n}"))
    return router


_MORE = Source(at=minutes(90))
BEYOND: dict[str, Observation] = {
    "a merge": _MORE.of("p0").a40("p1"),
    "a merge of others": _MORE.of("q").merged("p0", "p1"),
    "a statement about a person": _MORE.of("p0", "p1").a31(),
    "about one who is new": _MORE.of("q", "p0", "p1").a31(),
    "an event of a visit": Source(visit="v0-0", at=minutes(95)).of("p0", "p1").a08(),
    "an event of somebody else": Source(visit="v1-0", at=minutes(95)).of("p2").a08(),
}


@pytest.mark.parametrize("name", BEYOND)
def test_nothing_gives_a_patient_more_visits_than_anybody_has(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(state, "MAX_VISITS", 12)
    router = with_many_visits(7, 6, 12)
    told = len(router.told)
    router.hear(BEYOND[name], again(BEYOND[name])).restart().hear(again(BEYOND[name], 9))
    assert set(why(router)) <= {reasons.TOO_MANY_NUMBERS, reasons.TOO_MANY_VISITS}
    assert len(why(router)) == 1
    assert len(router.told) == told
    of_number = router.state.realm(REALM).numbers_of("ehr")
    assert of_number.resolve("p0") != of_number.resolve("p1")
    assert len(visits_of(router.state.realm(REALM), "p2")) == 12
    monkeypatch.setattr(state, "MAX_VISITS", 13)
    router.hear(again(BEYOND[name], 12))
    if name != "an event of somebody else":
        assert of_number.resolve("p0") == of_number.resolve("p1")


def test_a_visit_with_as_many_events_as_no_stay_has_is_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_visit, "MAX_FACTS", 20)
    s = Source()
    said = [s.a14(f"W{n}") for n in range(30)]
    router = Router().hear(*said).restart().hear(*map(again, said))
    assert set(why(router)) == {reasons.TOO_MANY_EVENTS}
    assert len(why(router)) == 10
    assert router.wards == ["W19"]


# -- a visit's assigner ----------------------------------------------------------------------------


def test_one_number_of_two_assigners_is_two_visits() -> None:
    """Case 16, where the adapters tell them apart."""
    norr, soder = Source(visit="1001@NORR"), Source(visit="1001@SODER")
    router = Router().hear(norr.of("A").a14("W6"), soder.of("B").a14("W7"))
    assert router.wards == ["W6", "W7"]
    assert router.review == []


@pytest.mark.parametrize("first", [0, 1])
def test_a_visit_with_and_without_its_assigner_is_told_of_once(first: int) -> None:
    bare, full = Source(visit="1001"), Source(visit="1001@NORR")
    said = [full.of("A", "n").a14("W6"), bare.of("n").a08()]
    router = Router().hear(said[first], said[1 - first], full.a08(), bare.a08())
    router.restart().hear(bare.a08(), full.a08())
    assert why(router) == [reasons.WITHOUT_ASSIGNER]
    router.hear(Source(visit="1001@NORR", patient="Z").a08())
    assert reasons.WITHOUT_ASSIGNER in why(router)


# -- any order -------------------------------------------------------------------------------------

KEYS = "abcde"


@st.composite
def stories(draw: st.DrawFn) -> list[Observation]:
    """What one source says of few patients with few numbers and visits; many seconds are shared."""
    random, said = Random(draw(st.integers(0, 2**64))), []
    for each in range(draw(st.integers(3, 18))):
        s = Source(visit=f"v{random.randint(0, 3)}", said=each)
        owner, *others = random.sample(KEYS, random.randint(1, 3))
        at = minutes(random.randint(0, 9))
        s.of(owner, *others)
        way = random.random()
        if way < 0.3:
            said.append(s.merged(*random.sample(KEYS, random.randint(1, 2)), at=at))
        elif way < 0.5 and others:
            said.append(s.a31(at=at))
        else:
            said.append(s.a14(f"W{random.randint(1, 3)}", at))
    return [each.model_copy(update={"revision": 1}) for each in said]


def misread(random: Random, said: Observation) -> Observation:
    """The same by a wrong profile, before: other numbers, mainly another, and of a merge another survivor."""
    wrong = patient(*random.sample(KEYS, random.randint(1, 3)))
    read: dict[str, object] = {"revision": said.revision - 1, "patient": wrong}
    if said.merged_into is not None:
        read["merged_into"] = patient(*random.sample(KEYS, random.randint(1, 2)))
    return said.model_copy(update=read)


def model(said: Sequence[Observation]) -> dict[str, str]:
    """Whose each number is, by the pure fold over everything."""
    statements, merges = [], []
    for fact, each in ((fact_of(each), each) for each in said):
        if each.merged_into is not None:
            merges.append(Merge(fact.order, (fact.patient, *fact.others), each.merged_into.key))
            statements.append(
                NumbersStatement(fact.order, each.merged_into.key, each.merged_into.other_keys)
            )
        else:
            statements.append(NumbersStatement(fact.order, fact.patient, fact.others))
    people = folded(set(KEYS), statements, merges)
    return {number: people.resolve(number) for number in KEYS}


def test_whose_numbers_and_visits_are_is_a_function_of_what_was_said() -> None:
    tally = Tally("whose numbers are")

    @settings(max_examples=3 * settings().max_examples)
    @given(stories(), st.integers(0, 2**32))
    def holds(said: list[Observation], seed: int) -> None:
        random = Random(seed)
        older = [misread(random, each) for each in said if random.random() < 0.3]
        arriving = [*said, *older, *map(again, random.sample(said, len(said) // 2))]
        random.shuffle(arriving)
        crooked, straight = Router(), Router().hear(*sorted(said, key=Observation.sort_key))
        for each in arriving:
            crooked.hear(each)
            if random.random() < 0.2:
                crooked.restart()
        expected = model(said)
        for router in (straight, crooked):
            of_number = router.state.realm(REALM).numbers_of("ehr")
            assert {number: of_number.resolve(number) for number in KEYS} == expected
            published = aliases(router)
            assert {n: whose(published, "ehr|", n) for n in KEYS} == expected
        assert crooked.encounters == straight.encounters
        assert crooked.open == straight.open
        assert_well_formed(crooked.told)
        assert heard(crooked, said) == {each.id for each in said}
        tally.extra["moved"] += any(number != patient for number, patient in expected.items())
        tally.extra["foreign"] += reasons.VISIT_OF_ANOTHER in why(crooked)
        tally.extra["circles"] += reasons.ALIAS_CYCLE in why(crooked)
        tally.count(crooked)

    holds()
    tally.report("moved", "foreign", "circles", share=12)


def heard(router: Router, said: Sequence[Observation]) -> set[str]:
    """Which of the said count in a visit or among the merges, or are in review: there is nothing else."""
    realm = router.state.realm(REALM)
    found = {item.id.rpartition("|")[2] for item in router.review}
    tied = realm.numbers_of("ehr").bonds
    found |= set(tied.merges)
    found |= {n for owner in tied.spoken.owners() for n in tied.spoken.ids(owner)}
    for visit in realm.visits.values():
        visit.fold()
        found |= {fact.id for fact in visit.facts()} - visit.foreign
    event("all in place" if found <= {each.id for each in said} else "more in review")
    return found & {each.id for each in said}
