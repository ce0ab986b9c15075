"""Total and consistent for any statements at all, sensible or not.

No truth is known here: whatever is said, nothing raises, each ward's stream is well formed, and
the end is what a fresh router makes of the same statements in the order of their stamps.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import backlog, passing, reasons
from router.core.fulfilment import FulfilledBy
from schemas.observation import MAY_BE_UNREAD, Claims, Movement, Observation, Protection, What
from tests.router.hearing import Router
from tests.router.saying import START, TRIGGERS, Source, again, patient, place
from tests.router.test_invariants import (
    RANDOMS,
    Tally,
    assert_incremental_is_refold,
    assert_well_formed,
    in_some_order,
    tell,
)

_PLACES = st.sampled_from(["W1", "W2", "W3", "W1/1", "W2/1/A"]).map(place)
_TIMES = st.integers(0, 20).map(lambda hours: START + timedelta(hours=hours))
_CLAIMS: dict[str, st.SearchStrategy[object]] = {
    "place": st.none() | _PLACES,
    "temporary_place": st.none() | _PLACES,
    "mark": st.none() | _PLACES,
    "expected_at": st.none() | _TIMES,
    "planned_discharge_at": st.none() | _TIMES,
    "responsible_ward": st.none() | st.sampled_from(["W1", "W2"]),
    "admitting_doctor": st.none() | st.sampled_from(["D1", "D2"]),
    "on_leave": st.none() | st.booleans(),
    "visit_class": st.none() | st.sampled_from(["I", "E"]),
    "protection": st.none() | st.sampled_from(Protection),
}
_MORE: dict[str, st.SearchStrategy[object]] = {
    "movement": st.builds(
        Movement,
        id=st.sampled_from(["m1", "m2", ""]),
        action=st.sampled_from(["insert", "update", "cancel"]),
        historic=st.booleans(),
    ),
    "occurred_at": st.integers(0, 5).map(lambda second: START + timedelta(seconds=second)),
    "corrects_patient": st.booleans(),
    "takes_effect_at": st.integers(0, 9).map(lambda second: START + timedelta(seconds=second)),
    "unread": st.sampled_from(MAY_BE_UNREAD).map(lambda name: (name,)),
}
_OTHERS = st.lists(st.sampled_from(["p1", "p2", "n1", "n2"]), max_size=2).map(tuple) | st.just(())
SOURCES = ("ehr", "ehr", "elvis", "elvis", "labour")
NUMBERED = ("v3", "v3@N", "v3@O")
VISITS = ("v1", "v|2%", *NUMBERED)
_OPENING = (What.ADMISSION_PLANNED, What.TRANSFER_PLANNED, What.DESCRIBED, What.ADMITTED) * 2


_NOW = st.integers(1, 12).map(lambda second: START + timedelta(seconds=second))
_FULFILLED: st.SearchStrategy[FulfilledBy] = st.sampled_from(["place", "responsible"])


@st.composite
def statements(draw: st.DrawFn) -> Observation:
    """Any kind of observation with any claims, of few visits, patients and seconds."""
    source = Source(
        draw(st.sampled_from(SOURCES)),
        draw(st.sampled_from(VISITS)),
        draw(st.sampled_from(["p1", "p2", "p3"])),
        said=draw(st.integers(0, 3)),
        others=draw(_OTHERS),
        counts=draw(st.booleans()),
    )
    claims = draw(st.fixed_dictionaries({}, optional=_CLAIMS))
    what = draw(st.sampled_from([*TRIGGERS, *_OPENING]))
    said = source.observe(
        what,
        Claims.model_validate(claims),
        at=_at(draw(st.integers(0, 5))),
        merged_into=draw(st.sampled_from(["p1", "p2", "p3"])),
        shape=draw(st.sampled_from(["event", "state"])),
        revision=draw(st.integers(0, 1)),
    )
    more = draw(st.fixed_dictionaries({}, optional=_MORE))
    if said.merged_into is not None and draw(st.booleans()):
        more["merged_into"] = patient(said.merged_into.key, *draw(_OTHERS))
    identity = hashlib.sha256(repr((said.id, sorted(more.items()))).encode()).hexdigest()
    if (series := draw(st.sampled_from([None, None, "s1", "s2"]))) is not None:
        counted = {"series": series, "sequence": draw(st.integers(0, 5))}
        more["stamp"] = said.stamp.model_copy(update=counted)
    return said.model_copy(update={**more, "id": identity[:24]})


_ANEW: dict[str, st.SearchStrategy[object]] = {
    "patient": st.builds(patient, st.sampled_from(["p1", "p2", "p3"])),
    "claims": st.fixed_dictionaries({}, optional=_CLAIMS).map(Claims.model_validate),
    "corrects_patient": st.booleans(),
}


@st.composite
def readings(draw: st.DrawFn) -> list[Observation]:
    """A statement as it was read, and perhaps as it is read by another profile and register."""
    said = draw(statements())
    if said.visit is None or draw(st.booleans()):
        return [said]
    anew = draw(st.fixed_dictionaries({}, optional=_ANEW))
    if said.visit in NUMBERED:
        anew["visit"] = draw(st.sampled_from(NUMBERED))
    read_anew = said.model_copy(update={**anew, "revision": said.revision + 1})
    return [said, again(read_anew) if draw(st.booleans()) else read_anew]


_IN_REVIEW = {
    reasons.ALIAS_CYCLE,
    reasons.NUMBER_OF_ANOTHER,
    reasons.VERSIONS_CONTRADICT,
    reasons.VISIT_OF_ANOTHER,
    reasons.WITHOUT_ASSIGNER,
}
_MOMENT = timedelta(microseconds=1)


def _at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@pytest.fixture(params=[False, True], ids=["at once", "in parts"])
def is_in_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What many records share is done for one patient and for one visit at a time."""
    if request.param:
        monkeypatch.setattr(backlog, "LOOKED_AT", 1)
        monkeypatch.setattr(passing, "DUE_PER_TICK", 1)
    return bool(request.param)


_READ = st.lists(readings(), min_size=6, max_size=20, unique_by=lambda read: read[0].id)
"""One reading is one: the same revision of a statement says the same, however often it comes."""


def _until_all_is_due(router: Router, now: datetime, visits: int) -> Router:
    """As many ticks as there may be visits for each of which something is due."""
    for count in range(visits + 1):
        router.tick(now + count * _MOMENT).catch_up()
    return router


def test_whatever_is_said_nothing_raises_and_order_decides_nothing(*, is_in_parts: bool) -> None:
    tally = Tally("totality")

    @settings(max_examples=2 * settings().max_examples)
    @given(_READ, RANDOMS, _FULFILLED, _NOW)
    def holds(
        read: list[list[Observation]], random: Random, by: FulfilledBy, now: datetime
    ) -> None:
        newest = _newest([each for of_one in read for each in of_one])
        crooked = Router("ehr", "W1=elvis", fulfilled_by=by)
        crooked.goes_on = not is_in_parts
        tell(crooked, random, in_some_order(random, [x for each in read for x in each]), until=now)
        crooked.believe("ehr", "W1=elvis")
        straight = Router("ehr", "W1=elvis", fulfilled_by=by).hear(*newest)
        for router in (crooked, straight):
            _until_all_is_due(router, now, len(newest))
        assert crooked.encounters == straight.encounters
        assert _open(crooked) == _open(straight)
        assert crooked.inbound == crooked.open
        assert_well_formed(crooked.told, are_renumbered=True)
        assert_incremental_is_refold(crooked)
        why = {item.reason for item in crooked.review}
        assert why <= _IN_REVIEW
        tally.extra |= Counter({reason: tally.extra[reason] + 1 for reason in why})
        tally.extra["read anew"] += any(len(of_one) > 1 for of_one in read)
        tally.count(crooked)

    holds()
    tally.report("read anew", *_IN_REVIEW - {reasons.ALIAS_CYCLE}, share=40)


def _newest(said: Sequence[Observation]) -> list[Observation]:
    """Of each statement the reading that counts, where it was received first, in the order of the stamps."""
    found = dict[str, Observation]()
    for each in sorted(said, key=lambda each: each.revision):
        first = found.get(each.id, each).stamp
        earliest = {
            "sequence": min(first.sequence, each.stamp.sequence),
            "received_at": min(first.received_at, each.stamp.received_at),
        }
        stamp = each.stamp.model_copy(update=earliest)
        found[each.id] = each.model_copy(update={"stamp": stamp})
    return sorted(found.values(), key=Observation.sort_key)


def _open(router: Router) -> set[tuple[object, ...]]:
    """By what backs them: which visit a continued one is announced under depends on the order."""
    told = router.state.realms["lab"].told.values()
    return {(each.backing, each.terms) for each in told if each.backing is not None}
