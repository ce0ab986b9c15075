"""Invariant 10 across merges: what protects a person under one number protects under all of them."""

from schemas.observation import Protection
from tests.router.hearing import Router
from tests.router.saying import Source


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
