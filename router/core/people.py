"""Resolves whose a number is: the statements and merges of one source, folded in stamp order.

A statement says that numbers are one patient's, who is mainly known by one of them, the *owner*. A merge
says that one patient ceases and is another from then on.

* Whose a number is, the newest statement about it says. A statement that takes a number from one patient
  and gives it to another makes the number *disputed* and merges nobody, until a merge makes the two one.
* A merge moves the patient of every number that it names as ceasing, whichever of their numbers that is.
  A later merge of the same patient replaces the earlier one.
* A merge that would make a patient one that it has ceased into itself is *refused*: of a circle the one that
  closes it by its stamp. It is not followed, then or later.

Invariant: following the pointers from any number ends, at the patient whose it is. The fold is a function
of the set of statements and merges; :meth:`People.take` of what sorts after everything equals folding anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

from router.core.facts import Order

BEFORE_ALL: Final[Order] = ((-1, -1, -1, -1), "")


class NumbersStatement(NamedTuple):
    """At a moment the source said that the numbers are the patient's who is mainly known by ``owner``."""

    order: Order
    owner: str
    numbers: tuple[str, ...]


class Merge(NamedTuple):
    """The patient of each of the ceasing numbers is the survivor from then on."""

    order: Order
    ceasing: tuple[str, ...]
    survivor: str

    @property
    def id(self) -> str:
        """Of the observation."""
        return self.order[1]

    @property
    def named(self) -> tuple[str, ...]:
        """All its numbers."""
        return (*self.ceasing, self.survivor)


class Pointer(NamedTuple):
    """Where a number leads, and whether that patient is another one's successor."""

    to: str
    merged: bool


@dataclass(slots=True)
class People:
    """The numbers that hang together. ``refused``: ids of merges; ``taken_from``: by number, whose it was before."""

    numbers: set[str]
    last: Order = BEFORE_ALL
    refused: set[str] = field(default_factory=set)
    taken_from: dict[str, set[str]] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    into: dict[str, str] = field(default_factory=dict)
    _patients: dict[str, str] | None = None
    _members: dict[str, set[str]] | None = None

    @property
    def disputed(self) -> set[str]:
        """Numbers that were other patients' before, and no merge says that it is one."""
        return {
            number
            for number, patients in self.taken_from.items()
            if any(self.resolve(each) != self.resolve(number) for each in patients)
        }

    def pointer(self, number: str) -> Pointer | None:
        """Where the number leads; None for one that is a patient itself."""
        if number in self.owner:
            return Pointer(self.owner[number], merged=False)
        return Pointer(self.into[number], merged=True) if number in self.into else None

    def resolve(self, number: str) -> str:
        """The patient whose the number is."""
        if self._patients is not None:
            return self._patients.get(number, number)
        return self._end_of(number, {})

    def patients(self) -> dict[str, str]:
        """The patient of each number; do not change it."""
        if self._patients is None:
            known: dict[str, str] = {}
            for number in self.numbers:
                self._end_of(number, known)
            self._patients = known
        return self._patients

    def members(self, patient: str) -> set[str]:
        """All numbers of a patient; none for a number that is another patient's."""
        if self._members is None:
            self._members = {}
            for number, of_patient in self.patients().items():
                self._members.setdefault(of_patient, set()).add(number)
        return self._members.get(patient, set())

    def take(self, statements: Sequence[NumbersStatement], merge: Merge | None) -> None:
        """Take in what one observation says; it sorts after all that was taken in before."""
        self._patients = self._members = None
        for statement in statements:
            self.last = statement.order
            self._own(statement)
        if merge is not None:
            self.last = merge.order
            self._merge(merge)

    def is_repeated(self, statement: NumbersStatement) -> bool:
        """Whether it sorts after all that was taken in, and says the same; then it is taken in."""
        if statement.order <= self.last:
            return False
        if any(self.owner.get(number) != statement.owner for number in statement.numbers):
            return False
        self.last = statement.order
        return True

    def absorb(self, others: Iterable[People]) -> None:
        """Take over what had nothing in common until now."""
        for other in others:
            self.last = max(self.last, other.last)
            self.numbers |= other.numbers
            self.refused |= other.refused
            self.taken_from |= other.taken_from
            self.owner |= other.owner
            self.into |= other.into

    def _end_of(self, number: str, known: dict[str, str]) -> str:
        """Where a number ends; also noted for every number on the way."""
        way: list[str] = []
        while number not in known:
            way.append(number)
            further = self.owner.get(number) or self.into.get(number)
            if further is None:
                known[number] = number
            else:
                number = further
        for each in way:
            known[each] = known[number]
        return known[number]

    def _own(self, statement: NumbersStatement) -> None:
        before = {number: self.resolve(number) for number in statement.numbers}
        for number in statement.numbers:
            if number not in self._way(statement.owner):
                self.owner[number] = statement.owner
        for number, patient in before.items():
            if self.resolve(number) != self.resolve(patient):
                self.taken_from.setdefault(number, set()).add(patient)

    def _merge(self, merge: Merge) -> None:
        survivor = self._patient(merge.survivor)
        for number in merge.ceasing:
            patient = self._patient(number)
            if patient == survivor:
                continue  # its numbers have told already that it is the same one
            if patient in self._way(survivor):
                self.refused.add(merge.id)
            else:
                self.into[patient] = survivor

    def _patient(self, number: str) -> str:
        """Whose the number is, merges apart."""
        while (owner := self.owner.get(number)) is not None:
            number = owner
        return number

    def _way(self, number: str | None) -> Iterator[str]:
        while number is not None:
            yield number
            number = self.owner.get(number) or self.into.get(number)


def folded(
    numbers: set[str], statements: Iterable[NumbersStatement], merges: Iterable[Merge]
) -> People:
    """What the numbers amount to, of statements and merges given in any order."""
    people = People(numbers)
    told: list[NumbersStatement | Merge] = sorted([*statements, *merges], key=_place)
    for _, of_one in groupby(told, key=lambda each: each.order):
        at_once = list(of_one)
        merge = next((each for each in at_once if isinstance(each, Merge)), None)
        people.take([each for each in at_once if isinstance(each, NumbersStatement)], merge)
    return people


def _place(told: NumbersStatement | Merge) -> tuple[object, ...]:
    """In stamp order; of one observation the statements before the merge, and in a fixed order."""
    if isinstance(told, Merge):
        return (told.order, 1)
    return (told.order, 0, told.owner, told.numbers)
