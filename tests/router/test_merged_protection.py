"""Invariant 10 across merges: what protects a person under one number protects under all of them."""

import pytest

from schemas.observation import Claims, Protection
from tests.router.hearing import Router
from tests.router.saying import Source, minutes, patient


def is_masked(router: Router) -> bool:
    return router.told[-1].data.protected


def test_a_merge_of_one_source_unmasks_nobody_whom_another_protects() -> None:
    bed_system = Source("elvis", visit="e1", patient="old")
    record_system = Source("ehr", patient="old")
    router = Router("ehr")
    router.hear(bed_system.row("ED", protection=Protection.PROTECTED), record_system.a14("W1"))
    assert is_masked(router)
    router.hear(record_system.a40("new"))
    assert is_masked(router)


def test_person_data_of_one_source_protects_under_the_number_that_another_has_merged() -> None:
    router = Router("ehr")
    router.hear(Source("ehr", patient="old").a40("new"), Source("ehr", patient="new").a14("W1"))
    router.hear(Source("elvis", patient="old").a31(Protection.PROTECTED))
    assert is_masked(router)


def test_who_was_protected_in_a_visit_stays_so_when_it_is_corrected_to_be_anothers() -> None:
    """Whose the mark is, nobody knows by then: it protects both."""
    s, other = Source(visit="v1", patient="A"), Source(visit="v2", patient="A")
    router = Router("ehr").hear(other.a14("W1"), s.a08(protection=Protection.CONFIDENTIAL))
    assert is_masked(router)
    told = len(router.told)
    mine = s.of("B").a14("W2").model_copy(update={"corrects_patient": True})
    router.hear(mine)
    assert [n.data.protected for n in router.told[told:]] == [True]
    assert router.restart().hear(other.a15("W3")).told[-1].data.protected


def test_a_mark_protects_at_once_in_a_visit_that_was_corrected_to_be_anothers_before_it_came() -> (
    None
):
    s, other = Source(visit="v1", patient="C"), Source(visit="v2", patient="A")
    late = s.of("A").a08(protection=Protection.CONFIDENTIAL)
    said = [s.of("C").a08(), late, s.of("B").a08()]
    first, marks, last = (o.model_copy(update={"corrects_patient": True}) for o in said)
    router = Router("ehr").hear(first, last, other.a14("W1"))
    assert not is_masked(router)
    assert is_masked(router.hear(marks))


@pytest.mark.parametrize("is_late", [True, False])
def test_a_mark_that_counts_no_more_for_the_visit_protects_whom_it_names(*, is_late: bool) -> None:
    """The first statement comes late: the visit is somebody else's, and the mark is still of who it names."""
    late = Source(visit="v1", patient="C").a08(minutes(0))
    s, other = Source(visit="v1", patient="A", at=minutes(5)), Source(visit="v2", patient="A")
    said = [s.a08(protection=Protection.CONFIDENTIAL), other.a14("W1")]
    router = Router("ehr").hear(*[*said, late] if is_late else [late, *said])
    assert is_masked(router)
    assert router.open == {("W1", "ehr", "v2")}


def test_whom_a_late_statement_protects_or_not_is_told_at_once() -> None:
    """A lift that counted is another patient's visit's by what comes late: the mark before it counts again."""
    marked = Source(visit="v2", patient="A")
    lifts = Source(visit="v1", patient="A", at=minutes(10))
    router = Router("ehr").hear(
        marked.a14("W1", at=minutes(1), protection=Protection.CONFIDENTIAL),
        lifts.a08(protection=Protection.NONE),
    )
    assert not is_masked(router)
    router.hear(Source(visit="v1", patient="C").a08(minutes(0)))
    assert is_masked(router)


@pytest.mark.parametrize("changed", [{"patient": patient("B")}, {"claims": Claims()}])
def test_a_mark_in_anothers_visit_that_another_reading_adds_or_takes_away_is_told(
    changed: dict[str, object],
) -> None:
    s, other = Source(visit="v1", patient="C"), Source(visit="v2", patient="A")
    marking = s.of("C").a08(), s.of("A").a08(protection=Protection.CONFIDENTIAL)
    without = marking[1].model_copy(update=changed)
    router = Router("ehr").hear(marking[0], without, other.a14("W1"))
    assert not is_masked(router)
    router.hear(marking[1].model_copy(update={"revision": 1}))
    assert is_masked(router)
    router.hear(without.model_copy(update={"revision": 2}))
    assert not is_masked(router)


TIES = {
    "a merge that a later one replaces": Source(patient="d", at=minutes(-9)).a40("A"),
    "a number that another has by a later statement": Source(at=minutes(-9)).of("A", "d").a31(),
}


@pytest.mark.parametrize("tie", TIES)
def test_whoever_was_ever_tied_to_a_protected_number_is_masked_at_once(tie: str) -> None:
    """Whose the number is does not change by what comes late; where it masks, doubt counts."""
    router = Router("ehr").hear(
        Source(visit="v1", patient="x").a08(protection=Protection.PROTECTED),
        Source(patient="d", at=minutes(5)).a40("x"),
        Source(visit="v2", patient="A").a14("W1"),
    )
    assert not is_masked(router)
    router.hear(TIES[tie])
    assert is_masked(router)
    assert router.wards == ["W1"]


def test_whom_a_reading_unties_from_a_protected_number_is_unmasked_at_once() -> None:
    tie = Source(at=minutes(-9), visit="v9").of("A", "d").a08()
    router = Router("ehr").hear(
        Source(visit="v1", patient="x").a08(protection=Protection.PROTECTED),
        Source(patient="d", at=minutes(5)).a40("x"), tie,
        Source(visit="v2", patient="A").a14("W1"),
    )  # fmt: skip
    assert is_masked(router)
    router.hear(tie.model_copy(update={"revision": 1, "patient": patient("A")}))
    assert not is_masked(router)
