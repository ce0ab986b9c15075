"""What lies ahead and is said again: of two statements of one event the later one counts.

A visit has one discharge and one admission ahead, and one transfer to each destination. A statement of the
same replaces the one before it that has not taken effect, and takes it along when it is cancelled: who
is not to leave at three does not leave at two either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from router.core.facts import Fact
from schemas.observation import What


class Whereabouts(NamedTuple):
    """The ward where somebody lies, and the one that is responsible."""

    place: str | None
    responsible: str | None


def destination(fact: Fact) -> Whereabouts:
    """Where a movement leads."""
    place = fact.claims.place
    return Whereabouts(place.ward if place else None, fact.claims.responsible_ward)


def says_the_same(fact: Fact, earlier: Fact) -> bool:
    """Whether both tell of one event."""
    if fact.what is not earlier.what:
        return False
    if fact.what is What.TRANSFERRED:
        return destination(fact) == destination(earlier)
    return True


def replaced_by(later: Iterable[Fact], facts: Iterable[Fact]) -> set[str]:
    """Ids of those that lay ahead when one of the others said the same anew."""
    ahead = [fact for fact in facts if fact.lies_ahead]
    return {
        fact.id for again in (later if ahead else ()) for fact in ahead if _replaces(again, fact)
    }


def _replaces(fact: Fact, earlier: Fact) -> bool:
    is_in_time = earlier.order < fact.order < earlier.takes_effect
    return is_in_time and says_the_same(fact, earlier)
