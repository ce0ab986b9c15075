"""A statement that another reading puts into another visit: it leaves the first, and is told once.

The profile names the assigner of visits otherwise than before, and often the patient's with it.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from router.core import reasons
from schemas import topics
from schemas.observation import Observation, Protection
from tests.router import saying
from tests.router.hearing import Router, rows
from tests.router.saying import Source, again, minutes
from tests.router.test_identity import patients


def in_visit(said: Observation, visit: str, revision: int, *patient: str) -> Observation:
    """Another reading of the statement, which may name the patient by other numbers, too."""
    key, *others = patient or (said.patient.key, *said.patient.other_keys)
    changed = {"visit": visit, "revision": revision, "patient": saying.patient(key, *others)}
    return said.model_copy(update=changed)


@pytest.mark.parametrize("patient", [(), ("B",), ("B", "A"), ("B", "n")])
@pytest.mark.parametrize("bare", ["1001", "1001@1.2.3"])
def test_a_statement_that_another_reading_puts_into_another_visit_leaves_the_first(
    bare: str, patient: tuple[str, ...]
) -> None:
    """The assigner has another name in the profile, for visits alone or for patients, too."""
    old, new = Source(visit=bare, at=minutes(5)).of("A", "n"), Source(visit="1001@NORR")
    said = [new.of("B", "n").a14("W6"), in_visit(old.a15("W7"), bare, 1)]
    router = Router().hear(*said)
    assert router.wards == ["W6", "W7"]
    read_again = in_visit(said[1], "1001@NORR", 2, *patient or ("B", "n"))
    router.restart().hear(read_again)
    assert (router.wards, set(router.encounters)) == (["W7"], {"ehr|1001@NORR"})
    assert router.inbound == {("W7", "ehr", "1001@NORR")}
    assert sum("|fact|" in key for key in rows(router.records, topics.STATE)) == 2
    count = len(router.told)
    router.hear(again(said[1]), again(read_again)).restart().hear(said[1], again(said[1]))
    assert (len(router.told), set(router.encounters)) == (count, {"ehr|1001@NORR"})


def test_a_statement_keeps_its_place_when_another_reading_puts_it_into_another_visit() -> None:
    """Plan and cancel of one second, sent again: the plan is still the one that was cancelled."""
    s = Source(visit="1", counts=False)
    plan, cancel = s.a14("W1", minutes(5)), s.a27(at=minutes(5))
    router = Router().hear(in_visit(plan, "1", 1), in_visit(cancel, "1", 1))
    router.hear(in_visit(cancel, "1@N", 2), in_visit(again(plan), "1@N", 2))
    assert (router.wards, set(router.encounters)) == ([], {"ehr|1@N"})


@pytest.mark.parametrize("is_late", [True, False])
def test_an_older_reading_says_where_a_statement_was_said_first_in_any_order(
    *, is_late: bool
) -> None:
    """Both were said in one second, and the cancel last, which is read anew after the plan was sent again."""
    s = Source(visit="1", counts=False)
    plan, cancel = s.a14("W1", minutes(5)), s.a27(at=minutes(5))
    first, anew = in_visit(plan, "1", 1), in_visit(again(plan), "1@N", 2)
    router = Router().hear(in_visit(cancel, "1@N", 2))
    router.hear(*[anew, first] if is_late else [first, anew]).restart()
    assert (router.wards, set(router.encounters)) == ([], {"ehr|1@N"})


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_statement_keeps_its_first_place_though_its_older_reading_comes_last(
    order: tuple[int, ...],
) -> None:
    """The plan was sent, and cancelled in the same second; sent again, it is read with the assigner."""
    s = Source(visit="1", counts=False)
    plan = in_visit(s.a14("W1", minutes(5)), "1", 1)
    cancel = in_visit(s.a27(at=minutes(5)), "1@N", 2)
    said = [plan, cancel, in_visit(again(plan), "1@N", 2)]
    router = Router().hear(*(said[at] for at in order))
    assert (router.wards, set(router.encounters)) == ([], {"ehr|1@N"})
    assert router.restart().hear(*said).wards == []


def test_numbers_that_only_an_older_reading_gave_are_nobodys_any_more() -> None:
    s, other = Source(visit="1"), Source(visit="2", at=minutes(5))
    said = in_visit(s.of("A", "n").a14("W1"), "1", 1)
    router = Router().hear(said, other.of("n").a14("W2"))
    assert patients(router) == {"ehr|1": "A", "ehr|2": "A"}
    router.hear(in_visit(said, "1@N", 2, "A")).restart()
    assert patients(router) == {"ehr|1@N": "A", "ehr|2": "n"}


def test_what_counts_by_a_newer_reading_is_in_review_no_more() -> None:
    """Two numbers of one patient, whose assigner had two names until the profile said so."""
    s = Source()
    said = in_visit(s.of("B").a15("W2", at=minutes(5)), "v1", 1)
    router = Router().hear(s.of("A").a14("W1", at=minutes(1)), said)
    assert [item.reason for item in router.review] == [reasons.VISIT_OF_ANOTHER]
    router.hear(in_visit(said, "v1", 2, "A"))
    assert (router.wards, len(router.review)) == (["W2"], 1)


def test_what_counts_no_more_once_the_first_statement_has_left_is_in_review() -> None:
    """Whose a visit is, its first statement says; another reading puts that one into another visit."""
    s = Source(visit="1@O", patient="A")
    first = in_visit(s.a14("W1"), "1@O", 1)
    router = Router().hear(first, s.of("B").a15("W2"), s.of("A").a15("W3"))
    assert patients(router) == {"ehr|1@O": "A"}
    router.hear(in_visit(first, "1@N", 2)).restart()
    assert patients(router) == {"ehr|1@O": "B", "ehr|1@N": "A"}
    assert router.wards == ["W1", "W2"]
    assert [item.withheld for item in router.review] == [True, False]
    assert {item.reason for item in router.review} == {reasons.VISIT_OF_ANOTHER}


def test_a_mark_of_protection_that_another_reading_takes_elsewhere_protects_the_first_no_more() -> (
    None
):
    s, other = Source(visit="1", patient="A"), Source(visit="2", patient="B")
    said = [other.a14("W2"), s.a14("W1")]
    mask = s.of("B").a08(at=minutes(5), protection=Protection.CONFIDENTIAL)
    router = Router().hear(*said, in_visit(mask, "1", 1))
    assert router.told[-1].data.protected
    router.hear(in_visit(mask, "1@N", 2, "C"))
    assert (router.words[-1], router.told[-1].data.protected) == ("W2 changed updated", False)


def test_a_ward_is_told_of_the_new_number_once_in_one_commit() -> None:
    """ADR 33: the old number means nobody, so the list of the ward goes on under the new one."""
    said = in_visit(Source(visit="1001", patient="A").a14("W7"), "1001", 1)
    router = Router().hear(said)
    router.hear(in_visit(said, "1001@NORR", 2)).hear(said, in_visit(said, "1001@NORR", 3))
    told = [(n.data.kind.value, n.data.reason.value, n.data.visit.visit) for n in router.told[1:]]
    assert told == [
        ("withdrawn", "corrected", "1001"),
        ("designated", "marked", "1001@NORR"),
    ]
    assert len({each.time for each in router.told[1:]}) == 1
    assert router.inbound == {("W7", "ehr", "1001@NORR")}
