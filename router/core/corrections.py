"""Applies corrections of movements: what each changes in the event that it corrects.

Source: IHE PAM, historic movement management (ZBE-1 movement, ZBE-4 UPDATE, ZBE-6 original event).

* A correction means the event of its kind with its movement's id, wherever that sorts; where none
  has the id, the latest earlier one that names no movement; where there is none either, the
  original was lost and the correction stands for it, at the time at which it took place.
* An event that was told again led where it was told last, from the beginning: in its own place in
  the history. So a corrected plan is a plan, and one that was fulfilled stays so.
* What else a correction of now says (class, doctor), it says now. A movement that is still so is
  where it is said to have led, also now.
* One that does not say what it corrects (:attr:`What.CORRECTED`) means whatever has its
  movement's id, and changes no place where that is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from router.core.annulment import annulled
from router.core.corrected_events import MOVE, PLAN, CorrectedEvents, kind
from router.core.facts import Fact
from router.core.fold_cache import FoldCache
from router.core.restating import replaced_by
from schemas.observation import Claims, What

_LED: Final = ("place", "temporary_place", "responsible_ward")
_MARKED: Final = ("mark", "expected_at")
_ABOUT: Final[Mapping[What, tuple[str, ...]]] = {
    **dict.fromkeys(PLAN | {What.PLAN_CANCELLED}, _MARKED),
    **dict.fromkeys(MOVE | {What.TRACKED, What.DEPARTED}, _LED),
    What.CORRECTED: (*_LED, *_MARKED),
    What.DISCHARGE_PLANNED: ("planned_discharge_at",),
}
"""The claims that are about the movement itself, and so belong to its own place."""
_EVERYTHING: Final = frozenset(Claims.model_fields)
_NOTHING: Final = Claims()


class Event(NamedTuple):
    """A fact as it holds now, and all that was ever claimed of it."""

    fact: Fact
    told: tuple[Claims, ...]


def corrected(facts: Iterable[Fact], memory: FoldCache) -> tuple[list[Event], frozenset[str]]:
    """A visit's facts as told last, in order, and the ids of the annulled."""
    told = sorted(facts, key=lambda fact: fact.stands)
    gone = annulled(told)
    if not any(fact.retells for fact in told):
        return [Event(fact, (fact.claims,)) for fact in told], gone | _replaced(told, gone)
    again = _tellings(told, gone)
    if ids := _ids_of_corrections(told, again):
        told = [f._replace(movement=ids[f.id]) if f.id in ids else f for f in told]
        gone = annulled(told)
        again = _tellings(told, gone)
    events = sorted(_events(told, again, memory), key=lambda event: event.fact.stands)
    replaced = _replaced([event.fact for event in events], gone)
    tellings = {each.id for fact_id in replaced for each in again.get(fact_id, ())}
    return events, gone | replaced | tellings


def _replaced(facts: Sequence[Fact], gone: Container[str]) -> set[str]:
    """Ids of what the annulled had said anew of what lies ahead: it goes with them."""
    return replaced_by((fact for fact in facts if fact.id in gone), facts)


def _ids_of_corrections(
    told: Iterable[Fact], again: Mapping[str, Sequence[Fact]]
) -> Mapping[str, str]:
    """The movement's id of each that has none but by its correction."""
    last = {fact.id: again[fact.id][-1].movement for fact in told
            if fact.movement is None and fact.id in again}  # fmt: skip
    return {fact_id: movement for fact_id, movement in last.items() if movement is not None}


# -- who is meant ------------------------------------------------------------------------------


def _tellings(told: Sequence[Fact], gone: Container[str]) -> Mapping[str, list[Fact]]:
    """By the id of what is corrected, its corrections in the order in which they were said.

    What was annulled is corrected only by what was annulled with it.
    """
    found: defaultdict[str, list[Fact]] = defaultdict(list)
    corrections = sorted((fact for fact in told if fact.retells), key=lambda fact: fact.order)
    first = [fact for fact in told if not fact.retells]
    heads = CorrectedEvents(fact for fact in first if fact.id not in gone)
    everything = CorrectedEvents(first) if any(again.id in gone for again in corrections) else heads
    for again in corrections:
        meant = (everything if again.id in gone else heads).meant_by(again)
        for fact in meant:
            found[fact.id].append(again)
        if not meant:  # the original was lost
            for each in {heads, everything}:
                each.add(again)
    return found


# -- what it comes to --------------------------------------------------------------------------


def _events(
    told: Iterable[Fact], again: Mapping[str, Sequence[Fact]], memory: FoldCache
) -> Iterator[Event]:
    corrections = {each.id for tellings in again.values() for each in tellings}
    for first in (fact for fact in told if fact.id not in corrections):
        tellings = again.get(first.id, ())
        if tellings or first.retells or first.what is What.CORRECTED:
            yield from memory.made(("told", first.id), (first, *tellings), _told_as)
        else:
            yield Event(first, (first.claims,))


def _told_as(first: Fact, *tellings: Fact) -> list[Event]:
    """An event and its corrections, as what it was and what those say beside."""
    last = _as_told_last(first, tellings)
    events = [Event(last, (first.claims, *(each.claims for each in tellings)))]
    for each in (first, *tellings) if first.retells else tellings:
        if each is not first or _is_so_now(each):
            rest = _rest_of(each, last)
            events.append(Event(rest, (rest.claims,)))
    return events


def _as_told_last(fact: Fact, tellings: Iterable[Fact]) -> Fact:
    for again in tellings:
        fact = _told_again(fact, again)
    return _rest_of(fact, fact) if fact.what is What.CORRECTED else fact


def _told_again(fact: Fact, again: Fact) -> Fact:
    claims = fact.claims.model_copy(update=_moved(fact, again))
    if again.lies_ahead or (again.occurs is not None and (fact.lies_ahead or fact.is_of_history)):
        fact = fact._replace(occurs=again.occurs)
    return fact._replace(claims=claims)


def _moved(fact: Fact, again: Fact) -> Mapping[str, object]:
    """What a correction says of the event itself."""
    claims, about = again.claims, _ABOUT.get(fact.what, ())
    said = _said(claims, about)
    is_admission = again.what is What.CORRECTED and fact.what is What.ADMISSION_PLANNED
    if is_admission and claims.says("place"):  # a planned transfer is where they lie, and marks
        said.setdefault("mark", claims.place)
    return said


def _is_so_now(fact: Fact) -> bool:
    """Whether a movement is told again that has happened and is still the newest."""
    return kind(fact) in {MOVE, What.TRACKED} and not (fact.historic or fact.lies_ahead)


def _rest_of(again: Fact, last: Fact) -> Fact:
    """What a correction says beside the event that it corrects, when it was said.

    A movement that is still so led where it was told last.
    """
    names = _EVERYTHING
    if again.historic:
        names = frozenset({"protection"})
    elif not _is_so_now(again):
        names -= {*_LED, *_ABOUT.get(again.what, ())}
    said = _said(again.claims, names) | _said(last.claims, names.intersection(_LED))
    claims = _NOTHING.model_copy(update=said)
    return again._replace(what=What.CORRECTED, claims=claims, historic=False, occurs=None)


def of_the_past(fact: Fact) -> Fact:
    """What is no longer so says only where it led then, and protects."""
    return fact._replace(claims=only(fact.claims, {"protection", *_ABOUT.get(fact.what, _LED)}))


def only(claims: Claims, names: Container[str]) -> Claims:
    """The claims of these names."""
    return _NOTHING.model_copy(update=_said(claims, names))


def _said(claims: Claims, names: Container[str]) -> dict[str, Any]:
    return {name: getattr(claims, name) for name in claims.model_fields_set if name in names}
