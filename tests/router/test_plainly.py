"""The history that looks at each fact a few times comes to what the plain one does, which looks at all pairs."""

from __future__ import annotations

from hypothesis import given

from router.core.annulment import annulled
from router.core.corrections import corrected
from router.core.facts import Fact
from router.core.history import history
from router.core.versions import in_server_order
from router.core.visit import folded
from tests.router import plainly
from tests.router.any_facts import facts


@given(facts())
def test_the_same_is_annulled(said: list[Fact]) -> None:
    said = sorted(in_server_order(said), key=lambda fact: fact.stands)
    assert annulled(said) == plainly.annulled(said)


@given(facts())
def test_the_same_is_corrected(said: list[Fact]) -> None:
    said = in_server_order(said)
    assert corrected(said) == plainly.corrected(said)


@given(facts())
def test_the_same_has_happened(said: list[Fact]) -> None:
    said = in_server_order(said)
    assert history(said) == plainly.history(said)


@given(facts())
def test_the_fold_is_the_same(said: list[Fact]) -> None:
    assert folded(said) == plainly.folded(said)
