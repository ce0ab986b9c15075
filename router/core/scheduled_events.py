"""Events of a visit that have not happened yet: a transfer tomorrow, a discharge this afternoon.

It waits until its time comes, unless it is overtaken before:

* by another statement of the same kind that lies ahead too (a new time, another ward for the
  admission); of transfers, by one to the same ward;
* by a discharge or a cancelled admission, which ends all that was planned for the stay;
* by an admission: of one that lay ahead, and, of somebody who was here already, of the discharge;
* by a movement to the ward: the patient has come before the time;
* of a state, by the next one.

A cancel or a correction of it changes the history instead (``annulment``, ``corrections``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Self

from router.core.annulment import may_mean
from router.core.facts import Fact
from router.core.fulfilment import FulfilledBy
from router.core.restating import Whereabouts, destination, says_the_same
from schemas.observation import Location, What

_ENDS_ALL: Final = frozenset({What.DISCHARGED, What.ADMISSION_CANCELLED})


class ScheduledEvents(NamedTuple):
    """In the order in which it is to happen. ``known``: the newest receipt that tells the time."""

    facts: tuple[Fact, ...] = ()
    known: int = 0

    def with_receipt(self, at_us: int) -> Self:
        """Time has passed up to there: something was received then."""
        return self if at_us <= self.known else self._replace(known=at_us)

    def planned(self, fact: Fact) -> Self:
        """The same with a fact that lies ahead."""
        left = self._without(lambda each: says_the_same(fact, each)).facts
        return self._replace(facts=tuple(sorted((*left, fact), key=lambda each: each.takes_effect)))

    def begun(self) -> Self:
        """The same without the first: it happens now."""
        return self._replace(facts=self.facts[1:])

    def overtaken_by(self, fact: Fact, *, came_back: bool) -> Self:
        """What is left after something has happened; ``came_back``: the patient had come before."""
        if fact.what in _ENDS_ALL:
            return self._replace(facts=())
        if fact.what is What.ADMITTED:
            gone = {What.ADMITTED, What.DISCHARGED} if came_back else {What.ADMITTED}
            return self._without(lambda each: each.what in gone)
        return self._without(lambda each: fact.is_state and each.is_state)

    def without_arrived(self, before: Whereabouts, now: Whereabouts) -> Self:
        """Who has come is not on the way any more."""
        if before == now:
            return self
        return self._without(lambda each: _has_come(destination(each), before, now))

    def without_admission(self, cancel: Fact) -> Self | None:
        """The same without the admission that a cancel takes back; None where none lies ahead."""
        left = self._without(lambda each: each.what is What.ADMITTED and may_mean_it(cancel, each))
        return None if len(left.facts) == len(self.facts) else left

    def arrives_at(self, ward: str, by: FulfilledBy) -> int | None:
        """When the patient is to come to the ward, in microseconds."""
        name = "place" if by == "place" else "responsible"
        return next(
            (each.occurs for each in self.facts if getattr(destination(each), name) == ward), None
        )

    def ends_at(self) -> int | None:
        """When the patient is to be discharged, in microseconds."""
        return next((each.occurs for each in self.facts if each.what is What.DISCHARGED), None)

    def next_move(self) -> tuple[Location, int] | None:
        """Where the patient is to move next, and when."""
        for each in self.facts:
            if each.claims.place is not None and each.occurs is not None:
                return each.claims.place, each.occurs
        return None

    def _without(self, goes: Callable[[Fact], bool]) -> Self:
        return self._replace(facts=tuple(each for each in self.facts if not goes(each)))


NOTHING_AHEAD: Final = ScheduledEvents()


def may_mean_it(cancel: Fact, event: Fact) -> bool:
    """Whether a cancel may mean the event: it names the same movement, or one of them none."""
    return cancel.movement == event.movement or may_mean(cancel, event)


def _has_come(to: Whereabouts, before: Whereabouts, now: Whereabouts) -> bool:
    if to.place is not None and to.place != before.place:
        return to.place == now.place
    has_it = to.responsible is not None and to.responsible == now.responsible
    return has_it and now.responsible != before.responsible
