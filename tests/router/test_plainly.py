"""The history that looks at each fact a few times comes to what the plain one does, which looks at all pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from router.core.annulment import annulled
from router.core.corrections import Event, corrected
from router.core.facts import Fact
from router.core.fold_cache import FoldCache
from router.core.history import HistoryEvent, history
from router.core.restating import replaced_at, replaced_by
from router.core.versions import in_server_order
from router.core.visit import folded
from schemas.observation import Claims
from tests.router import plainly
from tests.router.any_facts import MOVES, Teller, facts

Exact = tuple[object, ...]
"""What is compared: two claims are equal where one is cleared in the one and absent in the other."""


def exact_claims(claims: Claims) -> Exact:
    return claims, claims.model_fields_set


def exact_event(event: Event) -> Exact:
    return event, exact_claims(event.fact.claims), *map(exact_claims, event.told)


def exactly(happened: Iterable[HistoryEvent]) -> list[Exact]:
    return [(each, exact_claims(each.fact.claims)) for each in happened]


@given(facts())
def test_the_same_is_annulled(said: list[Fact]) -> None:
    said = sorted(in_server_order(said), key=lambda fact: fact.stands)
    assert annulled(said) == plainly.annulled(said)


@given(facts())
def test_the_same_is_corrected(said: list[Fact]) -> None:
    said = in_server_order(said)
    (events, gone), (plain, plainly_gone) = corrected(said, FoldCache()), plainly.corrected(said)
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
    memory = FoldCache()
    for known in range(len(said)):
        heard = in_server_order(said[: known + 1])
        assert exactly(history(heard, memory)) == exactly(history(heard))


def densely(random: Random) -> list[Fact]:
    """Moves and discharges, of which half lie ahead and some are of the past."""
    teller = Teller(random, kinds=MOVES, ahead=0.5, movements=0.9)
    return [teller.fact() for _ in range(random.randint(1, 40))]


def test_what_is_said_anew_is_replaced_where_that_stands_first() -> None:
    found: Counter[str] = Counter()

    @given(st.randoms(use_true_random=False))
    def holds(random: Random) -> None:
        said = densely(random)
        later = random.sample(said, random.randint(0, len(said)))
        assert replaced_by(later, said) == plainly.replaced_by(later, said)
        places = {
            each.id: [a.stands for a in said if plainly.replaced_by([a], [each])] for each in said
        }
        assert replaced_at(said) == {each: min(found) for each, found in places.items() if found}
        found["replaced"] += sum(map(bool, places.values()))
        found["more than once"] += sum(len(each) > 1 for each in places.values())

    holds()
    print(f"\n{dict(found)}")
    assert found["more than once"] > found["replaced"] // 10 > 0
