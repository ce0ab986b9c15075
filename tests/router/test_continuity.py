"""What was announced by one source's visit and is backed by another's goes on only while both mean one patient.

The ward sees whom the announced visit means: by the source that it believes, where that one knows the number,
else by the visit's own source.
"""

from __future__ import annotations

import pytest

from router.core.designations import Name
from schemas.observation import Observation
from tests.router.hearing import Router
from tests.router.saying import REALM, Source, ahead, minutes, patient


def shown(router: Router, ward: str, source: str) -> dict[tuple[str, str], str]:
    """Of each who is coming: the announced visit, and whom a ward that believes the source is shown."""
    realm, found = router.state.realm(REALM), dict[tuple[str, str], str]()
    for _, by, number in (key for key in router.inbound if key[0] == ward):
        visit = realm.visits[by, number]
        named = visit.fold().patient
        known = realm.is_known(source, named)
        found[by, number] = realm.numbers_of(source if known else by).resolve(named)
    return found


def terms(router: Router) -> dict[tuple[str, str], str]:
    """Of each who is coming: the announced visit, and who was meant when it was told."""
    told = router.state.realm(REALM).told.items()
    return {(n.source, n.visit): each.terms.patient for n, each in told if each.backing is not None}


def continued(number: str = "P1", *others: str) -> tuple[Router, Source]:
    """Announced by v1 of the record system, which W1 does not believe any more; it is of P1."""
    ehr, elvis = Source("ehr").of("P1", number), Source("elvis", visit="e1", patient="P1")
    router = Router("ehr").hear(ehr.a08(), ehr.of(number, *others).a14("W1"), elvis.row("ER", "W1"))
    router.believe("elvis")
    assert router.words == ["W1 designated marked"]
    assert shown(router, "W1", "elvis") == terms(router) == {("ehr", "v1"): "P1"}
    return router, ehr


def corrected(said: Observation) -> Observation:
    return said.model_copy(update={"corrects_patient": True})


def test_a_visit_that_is_corrected_to_be_anothers_shows_the_other_to_nobody() -> None:
    router, ehr = continued()
    router.hear(corrected(ehr.of("P2").a08()))
    assert shown(router, "W1", "elvis") == terms(router) == {("elvis", "e1"): "P1"}
    assert router.words[1:] == ["W1 withdrawn corrected", "W1 designated marked"]
    router.restart().believe("ehr")
    assert shown(router, "W1", "ehr") == terms(router) == {("ehr", "v1"): "P2"}


def test_a_visit_that_another_reading_takes_away_is_announced_no_longer() -> None:
    ehr, elvis = Source("ehr", visit="1@A"), Source("elvis", visit="e1")
    said = ehr.a14("W1")
    router = Router("ehr").hear(said, elvis.row("ER", "W1")).believe("elvis")
    router.hear(said.model_copy(update={"visit": "1@B", "revision": 1, "patient": patient("P9")}))
    assert router.inbound == {("W1", "elvis", "e1")}
    assert router.words[1:] == ["W1 withdrawn corrected", "W1 designated marked"]


def test_a_merge_of_a_source_that_is_not_believed_changes_nothing_where_the_other_knows_the_number() -> (
    None
):
    router, ehr = continued()
    router.hear(ehr.of("P1").a40("P3"))
    assert router.words == ["W1 designated marked"]
    assert shown(router, "W1", "elvis") == terms(router) == {("ehr", "v1"): "P1"}


def test_a_merge_of_a_number_that_only_its_source_knows_shows_nobody_else() -> None:
    router, ehr = continued("local")
    router.hear(ehr.of("P1").a40("P3"))
    assert shown(router, "W1", "elvis") == terms(router) == {("elvis", "e1"): "P1"}


@pytest.mark.parametrize("is_merged_first", [True, False])
def test_a_number_that_is_anothers_by_the_believed_source_shows_nobody_else(
    *, is_merged_first: bool
) -> None:
    elvis = Source("elvis", visit="e9", at=minutes(30)).of("P9", "local")
    if is_merged_first:
        ehr = Source("ehr").of("P1", "local")
        router = Router("ehr").hear(elvis.row("ER"), ehr.a08(), ehr.of("local").a14("W1"))
        router.hear(Source("elvis", visit="e1", patient="P1").row("ER", "W1")).believe("elvis")
    else:
        router, _ = continued("local")
        router.hear(elvis.row("ER"))
    assert shown(router, "W1", "elvis") == terms(router) == {("elvis", "e1"): "P1"}


def test_a_visit_that_a_tick_changes_is_looked_at_too() -> None:
    """What lies ahead and corrects whose the visit is counts from when it is said."""
    router, ehr = continued()
    router.hear(corrected(ahead(ehr.of("P2").a02("W2", at=minutes(9)), minutes(60))))
    assert shown(router, "W1", "elvis") == terms(router)
    router.tick(minutes(61))
    assert shown(router, "W1", "elvis") == terms(router) == {("elvis", "e1"): "P1"}


def test_who_is_announced_by_the_believed_source_itself_goes_on_under_its_own_name() -> None:
    s = Source("ehr", patient="A")
    router = Router("ehr").hear(s.a14("W1"), corrected(s.of("B").a08()))
    assert router.words == ["W1 designated marked", "W1 changed updated"]
    assert terms(router) == {("ehr", "v1"): "B"}
    assert Name("ehr", "v1", "W1") in router.state.realm(REALM).open_of["B"]
