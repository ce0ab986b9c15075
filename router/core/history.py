"""A visit's facts as what happened, in the order in which it happened.

Source: IHE PAM, historic movement management (ZBE-1 movement, ZBE-4 action, ZBE-5 historic).

* A fact sorts by its stamp, a movement of the past by the time at which it took place.
* A cancel annuls (``annulment``), a correction tells again (``corrections``).
* A movement of the past that nobody had told of was an arrival then, and says nothing of now.
* The place and the responsible ward that a cancel says (A12, A13) are those of a movement before it,
  where one was told to lead there: they go when it is annulled, and are told again with it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from router.core.corrections import Event, corrected, of_the_past, only
from router.core.facts import GIVES_BACK, Fact
from schemas.observation import Claims, Location

_LED_TO: Final = ("place", "responsible_ward")


class Happened(NamedTuple):
    """A fact, corrected, and whether it was annulled."""

    fact: Fact
    annulled: bool


def history(facts: Iterable[Fact]) -> list[Happened]:
    """What happened, of a visit's facts given in any order."""
    events, gone = corrected(facts)
    return [
        Happened(of_the_past(fact) if fact.historic else fact, fact.id in gone)
        for fact in _given_back(events, gone)
    ]


def _given_back(events: Sequence[Event], gone: Container[str]) -> Iterator[Fact]:
    """The facts, with each cancel saying the wards of the movement that it means."""
    for at, (fact, _) in enumerate(events):
        given = fact
        for name in _LED_TO if fact.what in GIVES_BACK else ():
            led = _latest_that_led_to(_ward(fact.claims, name), name, events[:at], fact)
            if led is not None:
                given = _as_given_back(given, name, led, gone)
        yield given


def _latest_that_led_to(
    ward: str | None, name: str, before: Sequence[Event], cancel: Fact
) -> Fact | None:
    """Which one before a cancel, as it was told first or ever again."""
    if ward is None:
        return None
    for fact, told in reversed(before):
        had_led = fact.what not in GIVES_BACK and fact.takes_effect < cancel.order
        leads = had_led and not fact.historic
        if leads and any(_ward(claims, name) == ward for claims in told):
            return fact
    return None


def _ward(claims: Claims, name: str) -> str | None:
    said = getattr(claims, name)
    return said.ward if isinstance(said, Location) else said


def _as_given_back(cancel: Fact, name: str, led: Fact, gone: Container[str]) -> Fact:
    claims = cancel.claims
    if led.id in gone:
        return cancel._replace(claims=only(claims, claims.model_fields_set - {name}))
    if _ward(led.claims, name) == _ward(claims, name):
        return cancel  # which may know the bed
    return cancel._replace(claims=claims.model_copy(update={name: getattr(led.claims, name)}))
