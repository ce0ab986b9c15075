"""What must always hold, over generated histories whose end is known.

Each property counts what it asserted and fails if it hardly asserted anything: an invariant
over histories in which nobody is ever on the way holds for any router.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.facts import fact_of
from schemas.notification import Kind, Notification
from schemas.observation import Observation
from tests.router.hearing import Router
from tests.router.histories import AUTHORITIES, Awaited, History, histories
from tests.router.saying import REALM, START, again

A_CAMPAIGN = 1_000
RANDOMS = st.integers(0, 2**32 - 1).map(Random)
BELIEVED = st.sampled_from(AUTHORITIES)


@dataclass
class Tally:
    """How much a property really asserted."""

    name: str
    histories: int = 0
    with_open: int = 0
    notifications: int = 0
    extra: Counter[str] = field(default_factory=Counter)

    def count(self, router: Router) -> None:
        self.histories += 1
        self.with_open += bool(router.open)
        self.notifications += len(router.told)

    def report(self, *needed: str, share: int = 8) -> None:
        """Print it, and fail where less than one history in ``share`` put the property to use.

        Fewer histories than a campaign's, drawn anew each time, may do so by chance: there it is only printed.
        """
        extra = ", ".join(f"{count} {name}" for name, count in sorted(self.extra.items()))
        print(
            f"\n{self.name}: {self.histories} histories, {self.with_open} end with an open "
            f"designation, {self.notifications} notifications; {extra}"
        )
        if self.histories < A_CAMPAIGN and not settings().derandomize:
            return
        assert self.with_open >= self.histories // share
        assert self.notifications >= self.histories // share
        assert all(self.extra[name] >= self.histories // share for name in needed), self.extra


def in_some_order(random: Random, said: Sequence[Observation]) -> list[Observation]:
    """Permuted, some of it said again (new control id, new message time, same statement)."""
    arriving = [*said, *map(again, random.sample(said, random.randint(0, len(said))))]
    random.shuffle(arriving)
    return arriving


def tell(
    router: Router, random: Random, arriving: Sequence[Observation], until: datetime | None = None
) -> None:
    """In inputs of one to four observations, with switches of authority and restarts between.

    The clock ticks up to ``until``, at odd moments. A router that does not go on by itself does so
    at odd moments, too, and at the end.
    """
    waiting = list(arriving)
    while waiting:
        size = random.randint(1, 4)
        router.hear_at_once(*waiting[:size])
        del waiting[:size]
        if random.random() < 0.1:
            router.believe(*random.choice(AUTHORITIES))
        if random.random() < 0.1:
            router.restart()
        if until is not None and random.random() < 0.2:
            router.tick(START + random.random() * (until - START))
        if not router.goes_on and random.random() < 0.5:
            router.go_on()
    if until is not None:
        router.tick(until)
    router.catch_up()


def awaited(router: Router, history: History) -> Awaited:
    """Who is awaited where, by the notifications alone."""
    return Counter((ward, history.person(source, visit)) for ward, source, visit in router.open)


def assert_well_formed(
    notifications: Sequence[Notification], *, are_renumbered: bool = False
) -> None:
    """No gap in any sequence or version, no id twice (opens and closes: `Router.open`).

    ``are_renumbered``: some visits are gone. What is told of them anew begins above every version that the
    ward has seen, so there versions only rise.
    """
    sequences: Counter[str] = Counter()
    versions: Counter[tuple[str, str, str]] = Counter()
    for each in notifications:
        sequences[each.subject] += 1
        name = (each.subject, each.data.visit.source, each.data.visit.visit)
        assert each.data.sequence == sequences[each.subject]
        assert each.data.version > versions[name]
        assert are_renumbered or each.data.version == versions[name] + 1
        versions[name] = each.data.version
    assert len({each.id for each in notifications}) == len(notifications)


def assert_incremental_is_refold(router: Router) -> int:
    visits = [visit for realm in router.state.realms.values() for visit in realm.visits.values()]
    for visit in visits:
        fold, foreign = visit.fold(), visit.foreign
        visit.fold_ = None
        assert visit.fold() == fold
        assert visit.foreign == foreign
    return len(visits)


def check(property_: Callable[..., None], *strategies: st.SearchStrategy[object]) -> None:
    """Run a property written as a closure, so that what it counted can be judged after it."""
    given(*strategies)(property_)()


def test_net_truth_in_any_order_with_repeats_switches_and_restarts() -> None:
    tally = Tally("net truth")

    def holds(history: History, random: Random, believed: tuple[str, ...]) -> None:
        router = Router(*random.choice(AUTHORITIES), fulfilled_by=history.fulfilled_by)
        tell(router, random, in_some_order(random, history.said))
        router.believe(*believed)
        assert awaited(router, history) == history.awaited(believed)
        assert router.inbound == router.open
        assert_well_formed(router.told)
        tally.extra["folds compared"] += assert_incremental_is_refold(router)
        tally.extra["fulfilled by responsibility"] += history.fulfilled_by == "responsible"
        tally.extra["told of the past"] += sum(fact_of(s).is_of_history for s in history.said)
        tally.count(router)

    check(holds, histories(), RANDOMS, BELIEVED)
    tally.report("folds compared", "told of the past", "fulfilled by responsibility")


def test_every_order_of_arrival_ends_in_the_same_views_and_lists() -> None:
    tally = Tally("order-free")

    def holds(history: History, random: Random, believed: tuple[str, ...]) -> None:
        straight = Router(*believed, fulfilled_by=history.fulfilled_by).hear(*history.said)
        crooked = Router(*believed, fulfilled_by=history.fulfilled_by)
        crooked.hear(*in_some_order(random, history.said))
        assert crooked.encounters == straight.encounters
        assert awaited(crooked, history) == awaited(straight, history)
        assert crooked.open == straight.open
        assert straight.review == crooked.review == []
        tally.extra["views"] += len(straight.encounters)
        tally.count(crooked)

    check(holds, histories(), RANDOMS, BELIEVED)
    tally.report("views")


def test_repetition_announces_nothing() -> None:
    tally = Tally("duplicate-free")

    def holds(history: History, random: Random, believed: tuple[str, ...]) -> None:
        router = Router(*believed, fulfilled_by=history.fulfilled_by)
        tell(router, random, history.said)
        before = len(router.told)
        router.hear(*in_some_order(random, history.said))
        router.restart().hear(*map(again, history.said))
        assert len(router.told) == before
        tally.extra["repeats"] += 2 * len(history.said)
        tally.count(router)

    check(holds, histories(), RANDOMS, BELIEVED)
    tally.report("repeats")


def awaited_as(router: Router, source: str) -> set[tuple[str, str]]:
    """Who is on each ward's list, as a source knows them."""
    realm = router.state.realm(REALM)
    numbers = realm.numbers_of(source)
    return {
        (ward, numbers.resolve(realm.visits[of, visit].fold().patient))
        for ward, of, visit in router.open
    }


def test_authority_there_and_back_tells_nothing_net() -> None:
    """No visit but that of before; where one source merges whom the other does not, no patient but that of before."""
    tally = Tally("there and back")

    def holds(history: History, random: Random) -> None:
        router = Router("ehr", fulfilled_by=history.fulfilled_by).hear(
            *in_some_order(random, history.said)
        )
        before, told = router.open, len(router.told)
        known = awaited_as(router, "ehr")
        router.believe("elvis").believe("ehr")
        assert awaited_as(router, "ehr") == known
        assert history.merged or router.open == before
        tally.extra["told at the switches"] += len(router.told) - told
        tally.count(router)

    check(holds, histories(), RANDOMS)
    tally.report("told at the switches")


def test_who_is_known_alike_to_both_sources_is_not_announced_again() -> None:
    tally = Tally("known alike")

    def holds(history: History, random: Random) -> None:
        router = Router("ehr", fulfilled_by=history.fulfilled_by).hear(
            *in_some_order(random, history.said)
        )
        told = len(router.told)
        router.believe("elvis").believe("ehr")
        bothered = {
            (each.subject, history.person(each.data.visit.source, each.data.visit.visit))
            for each in router.told[told:]
            if each.data.kind is not Kind.CHANGED  # one of them may know less about a patient
        }
        ehr, elvis = history.awaited_by("ehr"), history.awaited_by("elvis")
        alike = {key for key in ehr if ehr[key] == elvis[key]}
        assert not alike & bothered
        tally.extra["known alike"] += len(alike)
        tally.count(router)

    check(holds, histories(agreeing=True), RANDOMS)
    tally.report("known alike")
