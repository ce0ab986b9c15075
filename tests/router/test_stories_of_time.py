"""Each story of what is told again or lies ahead, in every way in which it may be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from random import Random

import pytest

from schemas.observation import Observation
from tests.router.hearing import Router
from tests.router.saying import again, in_charge
from tests.router.stories_ahead import AHEAD
from tests.router.stories_told_again import TOLD_AGAIN

STORIES = TOLD_AGAIN | AHEAD


def told(router: Router, story: Iterable[Observation | datetime]) -> Router:
    for each in story:
        if isinstance(each, datetime):
            router.tick(each)
        else:
            router.hear(each)
    return router


def observations(story: str) -> list[Observation]:
    return [each for each in STORIES[story][0] if isinstance(each, Observation)]


def last_tick(story: str) -> list[datetime]:
    return [each for each in STORIES[story][0] if isinstance(each, datetime)][-1:]


@pytest.mark.parametrize("story", STORIES)
def test_what_wards_are_told(story: str) -> None:
    said, expected = STORIES[story]
    router = told(Router(), said)
    assert router.words == expected
    assert router.inbound == router.open


@pytest.mark.parametrize("story", STORIES)
def test_saying_all_of_it_again_tells_nothing(story: str) -> None:
    said, expected = STORIES[story]
    router = told(Router(), said).hear(*map(again, observations(story)))
    assert told(router, last_tick(story)).words == expected


@pytest.mark.parametrize("story", STORIES)
def test_every_order_of_arrival_ends_alike(story: str) -> None:
    straight, random = told(Router(), STORIES[story][0]), Random(story)
    for _ in range(20):
        said: list[Observation | datetime] = [*observations(story), *last_tick(story)]
        random.shuffle(said)
        crooked = told(Router(), [*said, *last_tick(story)])
        assert crooked.open == straight.open
        assert crooked.encounters == straight.encounters


@pytest.mark.parametrize("story", STORIES)
def test_a_restart_at_any_point_changes_nothing(story: str) -> None:
    said, expected = STORIES[story]
    router = Router()
    for each in said:
        told(router, [each]).restart()
    assert router.words == expected


@pytest.mark.parametrize("story", [s for s in STORIES if "does not say of what" not in s])
def test_it_is_so_too_where_who_is_responsible_counts_and_not_the_place(story: str) -> None:
    said, expected = STORIES[story]
    router = Router(fulfilled_by="responsible")
    told(router, (in_charge(e, "W") if isinstance(e, Observation) else e for e in said))
    assert router.words == expected
