"""What a sender may write into one visit without end, each pattern in the order in which it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Final

from schemas.observation import Claims, Observation, What
from tests.router.saying import Source, ahead, minutes, of_movement, place

Pattern = Callable[[], Iterator[Observation]]
LAST: Final = 10_000
"""Minute from which those count back that tell the newest first."""


def claims(number: int) -> Claims:
    return Claims(place=place(f"W{number % 5}"), visit_class="I")


def in_turns(what: What, cancel: What, *, named: bool = False) -> Pattern:
    """Something and its cancel, over and over; with a movement's id each."""

    def said() -> Iterator[Observation]:
        source = Source()
        for n in count():
            movement = f"m{n // 2}" if named else None
            yield source.observe(cancel if n % 2 else what, claims(n // 2), movement=movement)

    return said


def newest_first(*kinds: What) -> Pattern:
    """What was said later comes earlier."""

    def said() -> Iterator[Observation]:
        source = Source()
        for n in count():
            yield source.observe(kinds[n % len(kinds)], claims(n), at=minutes(LAST - n))

    return said


def within_one_second() -> Iterator[Observation]:
    source = Source()
    for n in count():
        what = What.TRANSFER_CANCELLED if n % 2 else What.TRANSFERRED
        yield source.observe(what, claims(n // 2), at=minutes(3))


def corrected_without_kind() -> Iterator[Observation]:
    source = Source()
    for n in count():
        yield source.observe(What.CORRECTED, claims(n), movement=f"m{n // 2}")


def corrected() -> Iterator[Observation]:
    """A movement, and the same told again."""
    source = Source()
    for n in count():
        said = source.observe(What.TRANSFERRED, claims(n), movement=f"m{n // 2}")
        yield of_movement(said, f"m{n // 2}", "update") if n % 2 else said


def corrected_by_meaning() -> Iterator[Observation]:
    """A movement without an id, and a correction that gives it one."""
    source = Source()
    for n in count():
        said = source.observe(What.TRANSFERRED, claims(n))
        yield of_movement(said, f"m{n}", "update") if n % 2 else said


def of_the_past() -> Iterator[Observation]:
    """Movements of long ago, told now."""
    source = Source()
    for n in count():
        said = source.observe(What.TRANSFERRED, claims(n))
        yield of_movement(said, f"m{n}", past=minutes(n * 7919 % LAST - LAST))


def planned_anew() -> Iterator[Observation]:
    """A discharge that is planned anew, and then comes."""
    source = Source()
    for n in count():
        said = source.observe(What.DISCHARGED if n % 3 else What.DISCHARGE_CANCELLED)
        yield ahead(said, minutes(LAST + n)) if n % 100 == 1 else said


PATTERNS: Final[Mapping[str, Pattern]] = {
    "moves and cancels": in_turns(What.TRANSFERRED, What.TRANSFER_CANCELLED),
    "named moves and cancels": in_turns(What.TRANSFERRED, What.TRANSFER_CANCELLED, named=True),
    "discharges and cancels": in_turns(What.DISCHARGED, What.DISCHARGE_CANCELLED),
    "departures and cancels": in_turns(What.DEPARTED, What.DEPARTURE_CANCELLED),
    "moves and cancels, newest first": newest_first(What.TRANSFERRED, What.TRANSFER_CANCELLED),
    "updates, newest first": newest_first(What.UPDATED),
    "within one second": within_one_second,
    "corrected": corrected,
    "corrected without a kind": corrected_without_kind,
    "corrected by meaning": corrected_by_meaning,
    "of the past": of_the_past,
    "planned anew": planned_anew,
}
