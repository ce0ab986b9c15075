"""The history that looks at each fact a few times comes to what the plain one does, which looks at all pairs."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given

from router.core.annulment import annulled
from router.core.corrections import Event, corrected
from router.core.facts import Fact
from router.core.history import Happened, history
from router.core.memory import Memory
from router.core.versions import in_server_order
from router.core.visit import folded
from schemas.observation import Claims
from tests.router import plainly
from tests.router.any_facts import facts

Exact = tuple[object, ...]
"""What is compared: two claims are equal where one is cleared in the one and absent in the other."""


def exact_claims(claims: Claims) -> Exact:
    return claims, claims.model_fields_set


def exact_event(event: Event) -> Exact:
    return event, exact_claims(event.fact.claims), *map(exact_claims, event.told)


def exactly(happened: Iterable[Happened]) -> list[Exact]:
    return [(each, exact_claims(each.fact.claims)) for each in happened]


@given(facts())
def test_the_same_is_annulled(said: list[Fact]) -> None:
    said = sorted(in_server_order(said), key=lambda fact: fact.stands)
    assert annulled(said) == plainly.annulled(said)


@given(facts())
def test_the_same_is_corrected(said: list[Fact]) -> None:
    said = in_server_order(said)
    (events, gone), (plain, plainly_gone) = corrected(said, Memory()), plainly.corrected(said)
    assert [*map(exact_event, events)] == [*map(exact_event, plain)]
    assert gone == plainly_gone


@given(facts())
def test_the_same_has_happened(said: list[Fact]) -> None:
    said = in_server_order(said)
    assert exactly(history(said)) == exactly(plainly.history(said))


@given(facts())
def test_the_fold_is_the_same(said: list[Fact]) -> None:
    said = in_server_order(said)
    assert folded(said) == plainly.folded(said)


@given(facts())
def test_with_what_was_made_before_the_same_has_happened(said: list[Fact]) -> None:
    """One fact after the other comes, and each is taken for what it is by then."""
    memory = Memory()
    for known in range(len(said)):
        heard = in_server_order(said[: known + 1])
        assert exactly(history(heard, memory)) == exactly(history(heard))
