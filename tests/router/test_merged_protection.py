"""Invariant 10 across merges: what protects a person under one number protects under all of them."""

import pytest

from schemas.observation import Protection
from tests.router.hearing import Router
from tests.router.saying import Source, minutes


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
