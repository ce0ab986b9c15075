"""Which patient each number of one source belongs to, updated with each statement. Pure.

What hangs together is folded for itself (``people``), when it is first asked for and when something is said
that sorts before what was folded; anything later is taken in as it comes. Nearly every patient has one number,
or one with a few others that nobody disputes: those are answered from the index alone, and a statement that is
repeated costs a look-up a number.

Two limits keep the cost of a record bounded. A number beside which more than ``MAX_BESIDE`` others stand is
*crowded*: it is nobody's, ties nothing, and stays so while it is used. Numbers beyond ``MAX_TOGETHER`` that
would hang together are not tied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from router.core.bonds import MAX_BESIDE, Bonds, KeptMerge, Pair
from router.core.facts import Fact
from router.core.people import Merge, NumbersStatement, People, Pointer, folded
from router.core.person_statements import statement_of

MAX_TOGETHER: Final = 200
"""Numbers that may hang together: somebody who was merged fifty times, with four numbers each. What is said late
is folded again with all of them, which takes 2 ms of so many."""
_DAY_US: Final = 86_400_000_000

SaidInVisits = Callable[[str], Iterable[NumbersStatement]]
"""What kept visits hold of statements about an owner."""
AreOfManyVisits = Callable[[Iterable[str]], bool]
"""Whether numbers name more visits together than one patient ever has."""


@dataclass(slots=True)
class TiesChange:
    """What became different by something that was said.

    ``moved``: number to the patients whose it was and is. ``pointers``: where numbers lead now.
    ``tied``: numbers that are tied to others now or no longer, whosever they are: what protects may be another.
    ``rows``: pairs to write (None: to remove); ``spoken``: statements about persons, by owner and id.
    ``gone``: merges that count no more. ``disputed`` and ``refused``:
    numbers and merges that are so from now on, ``undisputed`` and ``followed``: no longer. ``crowded``: numbers
    that are nobody's from now on; ``in_use``: when those and older ones were last said, where it is to be
    kept (None: it is kept no longer).
    ``is_refused``: it would tie too many numbers together, and ties none; what is said no more is untied.
    """

    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    pointers: dict[str, Pointer | None] = field(default_factory=dict)
    tied: set[str] = field(default_factory=set)
    rows: dict[Pair, bytes | None] = field(default_factory=dict)
    spoken: dict[Pair, bytes | None] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    disputed: set[str] = field(default_factory=set)
    undisputed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    crowded: set[str] = field(default_factory=set)
    in_use: dict[str, int | None] = field(default_factory=dict)
    is_refused: bool = False


class _Told(NamedTuple):
    """What is said, and how it stands to what is held.

    ``gone``: pairs that nothing says any more. ``was``: the numbers that it named as it was held before.
    ``let_go``: an older statement about the same owner that is kept whole no longer.
    ``is_anew``: it changes what was said at its place, and not only what sorts after it.
    """

    statement: NumbersStatement
    kept: KeptMerge | None = None
    gone: Sequence[Pair] = ()
    was: Sequence[str] = ()
    let_go: NumbersStatement | None = None
    is_anew: bool = False


class Numbers:
    """The numbers of one source."""

    def __init__(self, said_in_visits: SaidInVisits, are_of_many_visits: AreOfManyVisits) -> None:
        self.bonds = Bonds()
        self._said_in_visits = said_in_visits
        self._are_of_many_visits = are_of_many_visits
        self._people: dict[str, People] = {}

    # -- asking ---------------------------------------------------------------------------------

    def resolve(self, number: str) -> str:
        """The patient whose the number is."""
        if not self.bonds.is_bound(number):  # nearly always
            return number
        if number in self._people or not self._is_undisputed(number):
            return self.people(number).resolve(number)
        return self.bonds.only_owner(number) or number

    def pointer(self, number: str) -> Pointer | None:
        """Where the number leads; None for one that is a patient itself."""
        if not self.bonds.is_bound(number):
            return None
        return self.people(number).pointer(number)

    def members(self, patient: str) -> set[str]:
        """Every number of a patient."""
        return self._all_of(patient) or self.people(patient).members(patient)

    def connected(self, number: str) -> set[str]:
        """Every number that anything ties to this one, disputed and refused alike."""
        return self._all_of(number) or self.people(number).numbers

    def people(self, number: str) -> People:
        """What hangs together with the number."""
        found = self._people.get(number)
        if found is not None:
            return found
        if not self.bonds.is_bound(number):
            return People({number})
        return self._keep(self._gathered(number))

    def folded(self) -> list[str]:
        """The numbers that are answered from what was folded, and not from the index alone."""
        return list(self._people)

    def uses_shared_number(self, merge: Merge) -> bool:
        """Whether a merge names a number that is nobody's."""
        crowded = self.bonds.crowded
        return merge.survivor in crowded or any(number in crowded for number in merge.ceasing)

    # -- taking in ------------------------------------------------------------------------------

    def prepare(self, statement: NumbersStatement, instead_of: NumbersStatement | None) -> None:
        """Fold what is said by now, before the statement is held: :meth:`say` tells the difference."""
        if not statement.numbers and instead_of is None:
            return
        said = [statement] if instead_of is None else [statement, instead_of]
        for number in {number for each in said for number in (each.owner, *each.numbers)}:
            if instead_of is not None or not self._is_undisputed(number):
                self.people(number)

    def say(
        self,
        said: NumbersStatement,
        *,
        instead_of: NumbersStatement | None = None,
        let_go: NumbersStatement | None = None,
    ) -> TiesChange:
        """A statement that is held by now.

        ``instead_of``: the same one, as it was held before. ``let_go``: an older one about its owner, held no more.
        """
        change = TiesChange()
        statement = self._of_somebody(said, change)
        if instead_of is not None:
            gone, was = self._no_longer_said(instead_of), (instead_of.owner, *instead_of.numbers)
            return self._told(change, _Told(statement, None, gone, was, let_go, is_anew=True))
        is_anew = let_go is not None and self._has_rivals(let_go)
        if self._is_plain(statement, is_anew=is_anew):
            self._add(statement, change)
            self._keep_ties(let_go, change)
            return change
        return self._told(change, _Told(statement, let_go=let_go, is_anew=is_anew))

    def say_of_person(self, fact: Fact, held: Fact | None) -> TiesChange:
        """A statement that no visit holds. ``held``: the same one, as it was held before."""
        if fact == held:
            return self.say(statement_of(fact))
        spoken, statement = self.bonds.spoken, statement_of(fact)
        before = statement_of(held) if held is not None and held.others else None
        self.prepare(statement, before)
        rows: dict[Pair, bytes | None] = {}
        if held is not None:
            rows[held.patient, held.id] = None
        rows[fact.patient, fact.id] = spoken.hold(fact)
        let_go = spoken.oldest_beyond(fact.patient)
        if let_go is not None:
            rows[let_go.owner, let_go.order[1]] = None
            spoken.let_go(let_go.order[1])
        change = self.say(statement, instead_of=before, let_go=let_go)
        change.spoken |= rows
        return change

    def merge(self, kept: KeptMerge) -> TiesChange:
        """A merge, or another telling of one, and all numbers that it gives for the survivor."""
        change = TiesChange()
        statement = self._of_somebody(kept.survivor, change)
        held = self.bonds.merges.get(kept.fact.id)
        if held is None:
            return self._told(change, _Told(statement, kept))
        gone = self._no_longer_said(held.survivor, held)
        return self._told(change, _Told(statement, kept, gone, held.named, is_anew=True))

    def forget(self, numbers: Iterable[str]) -> TiesChange:
        """Untie numbers of whom nothing is kept any more: all that hang together."""
        change, together = TiesChange(), set(numbers)
        change.pointers = {n: None for n in together if self.pointer(n) is not None}
        for number in together:
            self._untie(number, change)
            if self.bonds.crowded.pop(number, None) is not None:
                change.in_use[number] = None
            for fact_id in self.bonds.spoken.ids(number):
                self.bonds.spoken.let_go(fact_id)
                change.spoken[number, fact_id] = None
            self._people.pop(number, None)
        return change

    # -- inside ---------------------------------------------------------------------------------

    def _is_undisputed(self, number: str) -> bool:
        """Whether the index alone tells whose the number is: nearly always."""
        bonds = self.bonds
        if not bonds.is_bound(number) or bonds.is_plain(number):
            return True
        owner = bonds.only_owner(number)
        return owner is not None and bonds.is_plain(owner)

    def _all_of(self, number: str) -> set[str] | None:
        """Every number of a patient of whom nothing is disputed or merged, if it is one."""
        if not self.bonds.is_bound(number):
            return {number}
        if number not in self._people and self.bonds.is_plain(number):
            return {number, *self.bonds.owned(number)}
        return None

    def _keep(self, people: People) -> People:
        for number in people.numbers:
            self._people[number] = people
        return people

    def _gathered(self, number: str) -> People:
        together = self.bonds.hang_together(number)
        said = [each for owner in together for each in self._said_of(owner)]
        return folded(together, said, self.bonds.merges_among(together))

    def _said_of(self, owner: str) -> Iterable[NumbersStatement]:
        if not (owned := self.bonds.owned(owner)):
            return
        for said in (*self._said_in_visits(owner), *self.bonds.said(owner)):
            numbers = tuple(number for number in said.numbers if number in owned)
            yield said._replace(numbers=numbers)
        yield from self.bonds.spans(owner)

    def _of_somebody(self, said: NumbersStatement, change: TiesChange) -> NumbersStatement:
        """The statement without numbers that are nobody's; notes once a day that those are in use."""
        crowded = self.bonds.crowded
        if not crowded:
            return said
        at = said.order[0][0]
        for number in crowded.keys() & {said.owner, *said.numbers}:
            if at > crowded[number] + _DAY_US:
                crowded[number] = change.in_use[number] = at
        if said.owner in crowded:
            return said._replace(numbers=())
        return said._replace(numbers=tuple(n for n in said.numbers if n not in crowded))

    def _is_plain(self, statement: NumbersStatement, *, is_anew: bool) -> bool:
        """Whether nobody disputes what it says, now or by anything that was said later."""
        owner, numbers, bonds = statement.owner, statement.numbers, self.bonds
        if not numbers:
            return not is_anew
        people = self._people.get(owner)
        if people is not None:
            return not is_anew and people.is_repeated(statement)
        fresh = [number for number in numbers if not bonds.has(number, owner)]
        if not fresh:
            return bonds.is_plain(owner)
        owned = bonds.owned(owner)
        if len(fresh) + len(owned) > MAX_BESIDE or not bonds.is_plain(owner):
            return False
        if any(map(bonds.is_bound, fresh)):
            return False
        return not self._are_of_many_visits((owner, *owned, *fresh))

    def _add(self, statement: NumbersStatement, change: TiesChange) -> None:
        for number in statement.numbers:
            if not self.bonds.has(number, statement.owner):
                change.moved[number] = (number, statement.owner)
                change.pointers[number] = Pointer(statement.owner, merged=False)
        self._tie(statement, change)

    def _has_rivals(self, statement: NumbersStatement) -> bool:
        """Whether another owner claims one of the numbers: then every order between counts."""
        return any(self.bonds.has_rivals(number, statement.owner) for number in statement.numbers)

    def _no_longer_said(
        self, before: NumbersStatement, held: KeptMerge | None = None
    ) -> list[Pair]:
        """Which pairs of an earlier reading nothing says any more. ``held``: the merge that it is of."""
        kept = (*self._said_in_visits(before.owner), *self.bonds.said(before.owner, but=held))
        said = {number for each in kept for number in each.numbers}
        return [
            (number, before.owner)
            for number in before.numbers
            if number not in said and not self.bonds.has_span(number, before.owner)
        ]

    def _told(self, change: TiesChange, told: _Told) -> TiesChange:
        if self._ties_too_many(told):
            change.is_refused = True
            if told.kept is not None:
                return change
            told = told._replace(statement=self._tied_already(told.statement))
        statement, kept, named = told.statement, told.kept, _named(told)
        before = _Before(self, named)
        for pair in told.gone:
            self._remove(pair, change)
        self._tie(statement, change)
        self._keep_ties(told.let_go, change)
        if kept is not None:
            self.bonds.add_merge(kept)
            change.tied.update(told.was, kept.merge.named)
        # all are judged before any is untied, which frees the others
        for number in sorted(filter(self.bonds.is_too_many, named)):
            self._crowd(number, statement.order[0][0], change)
        if told.is_anew or change.crowded or before.last >= statement.order:
            for number in before.numbers:
                self._people.pop(number, None)
        else:
            self._keep(before.joined(statement, kept.merge if kept else None))
        before.compare(self, change)
        return change

    def _ties_too_many(self, told: _Told) -> bool:
        """Whether more numbers would hang together, or more visits be one patient's, than anybody has."""
        named = _named(told._replace(gone=(), was=()))
        together = set[str]().union(*(self.people(number).numbers for number in named))
        return len(together) > MAX_TOGETHER or self._joins_too_many_visits(named)

    def _joins_too_many_visits(self, named: set[str]) -> bool:
        patients = set(map(self.resolve, named))
        if len(patients) <= 1:  # they are one patient's already
            return False
        return self._are_of_many_visits(set[str]().union(*map(self.members, patients)))

    def _tied_already(self, said: NumbersStatement) -> NumbersStatement:
        numbers = tuple(number for number in said.numbers if self.bonds.has(number, said.owner))
        return said._replace(numbers=numbers)

    def _tie(self, statement: NumbersStatement, change: TiesChange) -> None:
        bonds, owner = self.bonds, statement.owner
        for number in statement.numbers:
            if not bonds.has(number, owner):
                change.rows[number, owner] = bonds.add(number, owner)
                change.tied |= {number, owner}

    def _keep_ties(self, let_go: NumbersStatement | None, change: TiesChange) -> None:
        """Keep of what nothing holds any more that it was said."""
        if let_go is None:
            return
        for number in filter(lambda each: self.bonds.has(each, let_go.owner), let_go.numbers):
            row = self.bonds.extend(number, let_go.owner, let_go.order)
            if row is not None:
                change.rows[number, let_go.owner] = row

    def _remove(self, pair: Pair, change: TiesChange) -> None:
        self.bonds.remove(*pair)
        change.rows[pair] = None
        change.tied.update(pair)

    def _crowd(self, number: str, at: int, change: TiesChange) -> None:
        self._untie(number, change)
        self.bonds.crowded[number] = change.in_use[number] = at
        change.crowded.add(number)

    def _untie(self, number: str, change: TiesChange) -> None:
        for pair in self.bonds.pairs_of(number):
            self._remove(pair, change)
        for merge_id in self.bonds.merge_ids(number):
            kept = self.bonds.merges[merge_id]
            change.tied.update(kept.merge.named)
            self.bonds.remove_merge(merge_id)
            self._keep_ties(kept.survivor, change)
            change.gone.append(merge_id)


class _Before:
    """How numbers stood, with all that hangs together with them, to tell what a change did."""

    def __init__(self, numbers: Numbers, named: Iterable[str]) -> None:
        self._people = {id(people): people for people in map(numbers.people, named)}.values()
        self.last = max(people.last for people in self._people)
        self.numbers = set[str]().union(*(people.numbers for people in self._people))
        self._disputed = set[str]().union(*(people.disputed for people in self._people))
        self._refused = set[str]().union(*(people.refused for people in self._people))
        self._stood = {
            number: (patient, people.pointer(number))
            for people in self._people
            for number, patient in people.patients().items()
        }

    def joined(self, statement: NumbersStatement, merge: Merge | None) -> People:
        """What they amount to once something is said that sorts after all of them."""
        first, *others = self._people
        first.absorb(others)
        first.take([statement], merge)
        return first

    def compare(self, numbers: Numbers, change: TiesChange) -> None:
        """Note what is different now."""
        after = {id(people): people for people in map(numbers.people, self.numbers)}.values()
        for people in after:
            people.patients()
        disputed = set[str]().union(*(people.disputed for people in after))
        change.disputed |= disputed - self._disputed
        change.undisputed |= self._disputed - disputed
        refused = set[str]().union(*(people.refused for people in after))
        change.refused |= refused - self._refused
        change.followed |= self._refused - refused
        for number, (patient, pointer) in self._stood.items():
            people = numbers.people(number)
            if patient != (now := people.resolve(number)):
                change.moved[number] = (patient, now)
            if pointer != (leads := people.pointer(number)):
                change.pointers[number] = leads


def _named(told: _Told) -> set[str]:
    statement, kept = told.statement, told.kept
    named = {statement.owner, *statement.numbers} if statement.numbers or kept is None else set()
    if kept is not None:
        named.update(kept.merge.named)
    return named.union(told.was, *told.gone)
