"""The events of a visit in the order in which they happened, after corrections and cancels.

Source: IHE PAM, historic movement management (ZBE-1 movement, ZBE-4 action, ZBE-5 historic).

* A fact sorts by its stamp, a movement of the past by the time at which it took place.
* A cancel annuls (``annulment``), a correction tells again (``corrections``).
* A movement of the past that nobody had told of was an arrival then, and says nothing of now.
* The place and the responsible ward that a cancel says (A12, A13) are those of a movement before it,
  where one was told to lead there: they go when it is annulled, and are told again with it.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from router.core.corrections import Event, corrected, of_the_past, only
from router.core.facts import GIVES_BACK, Fact, Order
from router.core.fold_cache import FoldCache
from schemas.observation import Claims, Location

_LED_TO: Final = ("place", "responsible_ward")


class HistoryEvent(NamedTuple):
    """A fact, corrected, and whether it was annulled."""

    fact: Fact
    annulled: bool


def history(said: Iterable[Fact], memory: FoldCache | None = None) -> list[HistoryEvent]:
    """What happened, of a visit's facts given in any order; ``memory``: of the last time."""
    memory = memory or FoldCache()
    events, gone = corrected(said, memory)
    facts = _given_back(events, gone, memory)
    return [HistoryEvent(_as_it_was(f, memory) if f.historic else f, f.id in gone) for f in facts]


def _as_it_was(fact: Fact, memory: FoldCache) -> Fact:
    return memory.made(("past", fact.id), (fact,), of_the_past)


def _given_back(events: Sequence[Event], gone: Container[str], memory: FoldCache) -> Iterator[Fact]:
    """The facts, with each cancel saying the wards of the movement that it means."""
    if not any(event.fact.what in GIVES_BACK for event in events):  # nearly always
        yield from (event.fact for event in events)
        return
    led_to = _LedTo()
    for event in events:
        fact = given = event.fact
        if fact.what not in GIVES_BACK:
            led_to.add(event)
        for name in _LED_TO if fact.what in GIVES_BACK else ():
            led = led_to.latest(name, _ward(fact.claims, name), fact)
            if led is not None:
                give = _WITHOUT[name] if led.id in gone else _AS_LED[name]
                given = memory.made((give, fact.id), (given, led), give)
        yield given


class _LedTo:
    """Which event led to a ward last, as it was told first or ever again; asked in the order of the history."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], tuple[int, Fact]] = {}
        self._ahead: list[tuple[Order, int, Event]] = []
        self._added = 0

    def add(self, event: Event) -> None:
        """The next event in the history."""
        self._added += 1
        if event.fact.historic:
            return
        if event.fact.lies_ahead:
            heapq.heappush(self._ahead, (event.fact.takes_effect, self._added, event))
        else:
            self._note(self._added, event)

    def latest(self, name: str, ward: str | None, cancel: Fact) -> Fact | None:
        """The last one before a cancel that led to the ward, by place or by responsibility."""
        while self._ahead and self._ahead[0][0] < cancel.order:
            _, at, event = heapq.heappop(self._ahead)
            self._note(at, event)
        found = self._latest.get((name, ward)) if ward is not None else None
        return found[1] if found else None

    def _note(self, at: int, event: Event) -> None:
        for claims in event.told:
            for name in claims.model_fields_set.intersection(_LED_TO):
                ward = _ward(claims, name)
                if ward is not None and self._is_later(at, name, ward):
                    self._latest[name, ward] = at, event.fact

    def _is_later(self, at: int, name: str, ward: str) -> bool:
        latest = self._latest.get((name, ward))
        return latest is None or latest[0] < at


def _ward(claims: Claims, name: str) -> str | None:
    said = getattr(claims, name)
    return said.ward if isinstance(said, Location) else said


def _without(name: str, cancel: Fact, _led: Fact) -> Fact:
    """The movement that the cancel means never happened: it does not say where that had led."""
    claims = cancel.claims
    return cancel._replace(claims=only(claims, claims.model_fields_set - {name}))


def _as_led(name: str, cancel: Fact, led: Fact) -> Fact:
    """It says where that movement leads as it was told last."""
    claims = cancel.claims
    if _ward(led.claims, name) == _ward(claims, name):
        return cancel  # which may know the bed
    return cancel._replace(claims=claims.model_copy(update={name: getattr(led.claims, name)}))


_WITHOUT: Final = {name: partial(_without, name) for name in _LED_TO}
_AS_LED: Final = {name: partial(_as_led, name) for name in _LED_TO}
