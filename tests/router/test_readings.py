"""One statement read several times, by another profile or register: the newest reading counts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from random import Random

import pytest

from schemas import topics
from schemas.observation import Claims, Observation, Unread
from schemas.review import ReviewStep, is_open
from tests.router.hearing import Router, rows
from tests.router.histories import History, histories
from tests.router.saying import START, Source, again, envelope, minutes, patient, place
from tests.router.test_invariants import BELIEVED, RANDOMS, Tally, awaited, check


def read_as(said: Observation, revision: int, *unread: Unread) -> Observation:
    """A reading of the statement; what could not be read is absent from it."""
    left_out: set[str] = {*unread}
    claims = said.claims.model_dump(exclude_unset=True, exclude=left_out)
    changed = {"revision": revision, "claims": Claims.model_validate(claims), "unread": unread}
    return said.model_copy(update=changed)


def mute(said: Observation, revision: int = 1) -> Observation:
    """Read when the register knew none of its wards."""
    return read_as(said, revision, "mark")


EVENT, STATE = Source().a14("W"), Source().row("ER", "W")


@pytest.mark.parametrize("said", [EVENT, STATE], ids=["event", "state"])
def test_what_was_absent_takes_effect_and_is_told_once(said: Observation) -> None:
    router = Router().hear(mute(said))
    assert router.words == []
    mended = read_as(said, 2)
    router.hear(mended, again(mended), mended, mute(said), again(mute(said)))
    assert router.words == ["W designated marked"]
    router.restart().hear(again(mended), read_as(said, 3), again(read_as(said, 4)))
    assert router.words == ["W designated marked"], "what was told is not told again"


def test_a_reading_that_names_another_ward_moves_the_patient_there() -> None:
    s = Source()
    said = s.a14("W1")
    other = said.model_copy(update={"claims": s.a14("W2").claims})
    router = Router().hear(read_as(said, 1), read_as(other, 2))
    assert router.words == [
        "W1 designated marked", "W1 withdrawn redesignated", "W2 designated marked",
    ]  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_is_sent_again_stays_where_it_was_first_received(order: tuple[int, ...]) -> None:
    """A plan and its cancel of one second: read anew, the plan is still the one that was cancelled."""
    s = Source(counts=False)
    plan, cancel = s.a14("W", minutes(5)), s.a27(at=minutes(5))
    arriving = [mute(plan), read_as(cancel, 1), again(read_as(plan, 2))]
    router = Router().hear(*(arriving[at] for at in order))
    assert router.wards == []
    assert router.restart().tick(minutes(9)).wards == []


def test_a_plan_of_a_visit_that_has_ended_meanwhile_tells_nobody() -> None:
    s = Source()
    plan, end = s.a14("W"), s.a03()
    assert Router().hear(mute(plan), end, read_as(plan, 2)).words == []


def test_persons_and_merges_are_read_anew_too() -> None:
    s = Source()
    merge = s.a40("p9")
    wrong = merge.model_copy(update={"revision": 1, "merged_into": merge.patient})
    right = merge.model_copy(update={"revision": 2})
    ended = Router().hear(s.a14("W"), wrong, right, again(wrong))
    assert ended.words == ["W designated marked", "W changed updated"]


def misread(random: Random, said: Observation, revision: int) -> Observation:
    """By an older profile or register: without the mark, of another ward, or by other numbers of the patient."""
    way = random.choice(("mute", "ward", "numbers"))
    if way == "ward" and said.claims.mark is not None:
        claims = said.claims.model_copy(update={"mark": place("W9")})
        return said.model_copy(update={"claims": claims, "revision": revision})
    if way == "numbers" and said.visit is not None:
        key = said.patient.key
        numbers = random.choice(((f"old-{key}",), (f"old-{key}", key), (key, "n"), ("n", key)))
        return said.model_copy(update={"patient": patient(*numbers), "revision": revision})
    return mute(said, revision)


def readings(random: Random, said: Observation, right: int) -> list[Observation]:
    """All receipts of a statement: some readings by older configurations, sent again or not."""
    older = [misread(random, said, revision) for revision in range(random.randint(0, right))]
    received = [*older, read_as(said, right)]
    repeated = random.sample(received, random.randint(0, len(received)))
    return [*received, *(again(each, random.randint(1, 9000)) for each in repeated)]


def in_any_order(random: Random, said: Sequence[Observation]) -> list[Observation]:
    found = [each for one in said for each in readings(random, one, 5)]
    random.shuffle(found)
    return found


def test_whatever_the_order_of_readings_the_newest_of_each_statement_counts() -> None:
    tally = Tally("readings")

    def holds(history: History, random: Random, believed: tuple[str, ...]) -> None:
        slips = {each.id for each in history.said if each.revision}
        once = [each for each in history.said if each.revision or each.id not in slips]
        straight = Router(*believed, fulfilled_by=history.fulfilled_by).hear(*once)
        crooked = Router(*believed, fulfilled_by=history.fulfilled_by)
        arriving = in_any_order(random, once)
        crooked.hear(*arriving)
        assert crooked.encounters == straight.encounters
        assert awaited(crooked, history) == awaited(straight, history)
        assert crooked.open == straight.open
        tally.extra["receipts"] += len(arriving) > len(once)
        tally.count(crooked)

    check(holds, histories(), RANDOMS, BELIEVED)
    tally.report("receipts")


# -- read again by a person's hand --------------------------------------------------------------------


def replayed(*said: Observation, at: datetime, settles: Sequence[str] = ()) -> bytes:
    made = envelope(*said)
    return made.model_copy(update={"replayed_at": at, "settles": tuple(settles)}).to_json()


def test_a_replay_tells_as_of_now_and_only_what_is_new() -> None:
    now = minutes(90)
    router = Router().hear(mute(EVENT))
    router.feed(topics.OBSERVATIONS, replayed(read_as(EVENT, 2), at=now))
    assert [each.time for each in router.told] == [now]
    assert router.told[0].data.announced_at == now
    router.feed(topics.OBSERVATIONS, replayed(read_as(EVENT, 2), at=minutes(95)))
    assert len(router.told) == 1


def test_a_replay_of_what_is_too_old_by_now_is_too_late_again() -> None:
    late = START + timedelta(days=40)
    router = Router(keep=timedelta(days=30))
    router.feed(topics.OBSERVATIONS, replayed(EVENT, at=late))
    assert router.words == []
    (item,) = router.review
    assert (item.reason, item.mark_unread) == ("too-late", True)


def test_an_item_of_the_router_ends_when_it_is_not_met_again() -> None:
    said = EVENT.model_copy(update={"visit": None})
    router = Router().hear(said)
    (item,) = router.review
    assert item.reason == "no-visit"
    router.feed(topics.OBSERVATIONS, replayed(said, at=minutes(9), settles=[item.id]))
    assert rows(router.records, topics.REVIEWED) == {}
    router.feed(topics.OBSERVATIONS, replayed(EVENT, at=minutes(10), settles=[item.id]))
    steps = [
        ReviewStep.model_validate_json(each)
        for each in rows(router.records, topics.REVIEWED).values()
    ]
    assert [each.item for each in steps] == [item.id]
    assert not is_open(router.review[-1], steps)
    assert router.words == ["W designated marked"]
