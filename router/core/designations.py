"""Fold 2's values, and the difference that every notification is.

A *designation* is effective for a source, a visit and a ward. What was *announced* keeps the
source and visit it was first announced under until it closes, even when another source's visit
backs it later (continuity). The difference pairs the two in this order:

1. what is effective under the announced name itself;
2. what is effective under the visit that backs the announcement;
3. what another source says of the same patient and ward (authority moved).

Of another visit only where the announced one still means the patient: a ward is shown whom that one means.

What is left over of the announced closes; what is left over of the effective opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple


class Name(NamedTuple):
    """One designation: a visit of a source, and the ward it is meant for."""

    source: str
    visit: str
    ward: str


class DesignationTerms(NamedTuple):
    """What about a designation is worth a ``changed`` when it changes."""

    patient: str
    expected_at: datetime | None = None
    room: str | None = None
    bed: str | None = None
    protected: bool = False
    admitting_doctor: str | None = None


class Effective(NamedTuple):
    """What the believed sources' views imply now. ``mark_id`` is the fact that set the mark."""

    name: Name
    terms: DesignationTerms
    mark_id: str


class Announced(NamedTuple):
    """What the ward was last told of one designation; kept when closed, for its version.

    ``backing`` is the effective designation behind it while it is open, None when it is closed.
    """

    version: int
    mark_id: str
    terms: DesignationTerms
    announced_at: datetime
    backing: Name | None


class DesignationDifference(NamedTuple):
    """``closed`` and ``opened`` in a fixed order; ``kept`` pairs announced with effective."""

    closed: tuple[Name, ...]
    kept: tuple[tuple[Name, Effective], ...]
    opened: tuple[Effective, ...]


Means = Callable[[Name, Effective], bool]
"""Whether the visit of an announcement means the patient of what would back it."""


def difference(
    announced: Mapping[Name, Announced], effective: Iterable[Effective], means: Means
) -> DesignationDifference:
    """Between what is announced as open and what is effective."""
    free = {each.name: each for each in sorted(effective, key=lambda each: each.name)}
    kept: dict[Name, Effective] = {}
    for pairing in (_by_own_name, _by_backing, _by_patient_and_ward):
        for name, key in pairing(announced, free):
            if name not in kept and key in free and (name == key or means(name, free[key])):
                kept[name] = free.pop(key)
    closed = tuple(sorted(announced.keys() - kept.keys()))
    return DesignationDifference(closed, tuple(sorted(kept.items())), tuple(free.values()))


_Pairs = Iterator[tuple[Name, Name]]
_Free = Mapping[Name, Effective]


def _by_own_name(announced: Mapping[Name, Announced], _free: _Free) -> _Pairs:
    return ((name, name) for name in announced)


def _by_backing(announced: Mapping[Name, Announced], _free: _Free) -> _Pairs:
    return ((name, each.backing) for name, each in announced.items() if each.backing)


def _by_patient_and_ward(announced: Mapping[Name, Announced], free: _Free) -> _Pairs:
    candidates: dict[tuple[str, str], list[Name]] = {}
    for key, each in free.items():
        candidates.setdefault((each.terms.patient, key.ward), []).append(key)
    for name, known in sorted(announced.items()):
        for key in candidates.get((known.terms.patient, name.ward), ()):
            if known.backing is not None and known.backing.source != key.source:
                yield name, key


NAMES_OF_TERMS: Final = DesignationTerms._fields


def changes(before: DesignationTerms, after: DesignationTerms) -> tuple[str, ...]:
    """Names of the terms that differ."""
    return tuple(
        name for name, old, new in zip(NAMES_OF_TERMS, before, after, strict=True) if old != new
    )
