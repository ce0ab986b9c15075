"""A visit's facts as what happened, in the order in which it happened.

Source: IHE PAM, historic movement management (ZBE-1 movement, ZBE-4 action, ZBE-5 historic).

* A fact sorts by its stamp, a movement of the past by the time at which it took place.
* A cancel annuls (``annulment``).
* A movement that is told again by its id (UPDATE) went where it was told last, from the beginning.
* A movement of the past that nobody had told of was an arrival then, and says nothing of now.
* The place and the responsible ward that a cancel says (A12, A13) are those of a movement before it,
  where one was told to lead there: they go when it is annulled, and are told again with it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from router.core.annulment import annulled
from router.core.facts import GIVES_BACK, MOVES, Fact
from schemas.observation import Claims, Location

_LED_TO: Final = ("place", "responsible_ward")
_Said = Mapping[str, object]


class Happened(NamedTuple):
    """A fact, corrected, and whether it was annulled."""

    fact: Fact
    annulled: bool


def history(facts: Iterable[Fact]) -> list[Happened]:
    """What happened, of a visit's facts given in any order."""
    told = sorted(facts, key=lambda fact: fact.happened)
    gone = annulled(told)
    happened = _given_back(told, _told_again(told), gone)
    return [Happened(fact, fact.id in gone) for fact in happened]


# -- movements told again ----------------------------------------------------------------------


def _told_again(told: Sequence[Fact]) -> Sequence[Fact]:
    """The facts, with each movement leading where it was told last to have led."""
    last = _told_last(told)
    if not last:
        return told
    originals = {fact.movement for fact in told if _moves(fact) and not fact.retells}
    return [_as_told_last(fact, last, originals) for fact in told]


def _told_last(told: Iterable[Fact]) -> Mapping[str, _Said]:
    """By movement, of those that were told again."""
    last: dict[str, dict[str, object]] = {}
    for fact in sorted((fact for fact in told if fact.retells), key=lambda fact: fact.order):
        if fact.movement is not None:
            last.setdefault(fact.movement, {}).update(_led_to(fact.claims))
    return last


def _led_to(claims: Claims) -> _Said:
    return {name: getattr(claims, name) for name in _LED_TO if claims.says(name)}


def _as_told_last(fact: Fact, last: Mapping[str, _Said], originals: Container[str | None]) -> Fact:
    said = last.get(fact.movement or "")
    if said is None or not _moves(fact):
        return fact
    if fact.past is not None and fact.retells and fact.movement in originals:
        return _without(fact, said)  # the first telling has it, in its place
    return _with(fact, said)


# -- places given back -------------------------------------------------------------------------


def _given_back(
    told: Sequence[Fact], happened: Sequence[Fact], gone: Container[str]
) -> Iterator[Fact]:
    """The facts, with each cancel saying the wards of the movement that it means."""
    for at, fact in enumerate(happened):
        given = fact
        for name in _LED_TO if fact.what in GIVES_BACK else ():
            means = _latest_that_led_to(_ward(fact, name), name, told[:at], told)
            if means is not None:
                given = _as_given_back(given, name, happened[means], gone)
        yield given


def _latest_that_led_to(
    ward: str | None, name: str, before: Sequence[Fact], told: Sequence[Fact]
) -> int | None:
    """Which one before a cancel, as it was told first or ever again."""
    if ward is None:
        return None
    there = {fact.movement for fact in told if fact.retells and _leads_to(fact, ward, name)}
    for number in reversed(range(len(before))):
        fact = before[number]
        again = fact.movement in there and _moves(fact)
        if fact.past is None and (again or _leads_to(fact, ward, name)):
            return number
    return None


def _leads_to(fact: Fact, ward: str, name: str) -> bool:
    return _ward(fact, name) == ward and fact.what not in GIVES_BACK


def _ward(fact: Fact, name: str) -> str | None:
    said = getattr(fact.claims, name)
    return said.ward if isinstance(said, Location) else said


def _moves(fact: Fact) -> bool:
    return fact.what in MOVES and not fact.cancels_movement


def _as_given_back(cancel: Fact, name: str, led: Fact, gone: Container[str]) -> Fact:
    if led.id in gone:
        return _without(cancel, (name,))
    if _ward(led, name) == _ward(cancel, name):
        return cancel  # which may know the bed
    return _with(cancel, {name: getattr(led.claims, name)})


def _with(fact: Fact, said: _Said) -> Fact:
    return fact._replace(claims=fact.claims.model_copy(update=said))


def _without(fact: Fact, names: Iterable[str]) -> Fact:
    left = fact.claims.model_dump(exclude_unset=True, exclude=set(names))
    return fact._replace(claims=Claims.model_validate(left))
