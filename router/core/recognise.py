"""Applies what a source says about patient numbers, and follows what that changes.

A visit whose facts name several numbers is folded again where one of them is another patient's from now on.
What goes to review is said when it becomes so, and ends when it is so no longer: a number that changes its owner
without a merge, a number that is nobody's, a merge that closes a circle (also where what closes it had come
before), and facts that count no more.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from router.core.bonds import KEPT_MERGE, KeptMerge
from router.core.facts import Fact
from router.core.held_visit import MAX_FOREIGN, Visit
from router.core.numbers import TiesChange
from router.core.output_records import OutputRecords
from router.core.people import NumbersStatement
from router.core.person_statements import statement_of
from router.core.reasons import (
    ALIAS_CYCLE,
    CIRCLE,
    DISPUTED,
    MERGES_NOBODY,
    NOBODYS,
    NOT_ANY_MORE,
    NUMBER_OF_ANOTHER,
    NUMBER_OF_MANY,
    TOO_MANY,
    TOO_MANY_NUMBERS,
    VISIT_OF_ANOTHER,
    VISIT_OF_MANY,
)
from router.core.review import EnvelopeReview, InputOrigin
from router.core.state import Realm


class Recogniser:
    """Follows what one input says of whose numbers are whose."""

    def __init__(
        self, realm: Realm, outbox: OutputRecords, review: EnvelopeReview, origin: InputOrigin
    ) -> None:
        self._realm = realm
        self._outbox = outbox
        self._review = review
        self._origin = origin

    def prepare(self, visit: Visit, fact: Fact, held: Fact | None) -> None:
        """To be called before the visit holds the fact; :meth:`in_visit` after that."""
        numbers = self._realm.numbers_of(visit.source)
        self._look_first(visit.source, _numbers_in(fact) | _numbers_in(held))
        numbers.prepare(statement_of(fact), _others_of(held))

    def in_visit(self, visit: Visit, fact: Fact, held: Fact | None) -> set[str]:
        """The numbers of a fact that the visit holds by now. The patients that it touches.

        The visit itself is left to be folded. ``held``: the same fact, as it was held before.
        """
        before = _others_of(held)
        numbers = self._realm.numbers_of(visit.source)
        change = numbers.say(statement_of(fact), instead_of=before)
        if before is not None:  # what was in review stays there while it is so
            change.disputed |= numbers.people(fact.patient).disputed.intersection(fact.others)
        if fact.corrects:
            change.disputed.clear()
        return self._follow(visit.source, change, fact.patient, visit)

    def tie_again(self, visit: Visit, fact: Fact) -> set[str]:
        """The numbers of a fact that the visit holds as it is told again, where they were too many to tie."""
        numbers, owner = self._realm.numbers_of(visit.source), fact.patient
        tied, crowded = numbers.bonds.has, numbers.bonds.crowded
        if owner in crowded or all(n in crowded or tied(n, owner) for n in fact.others):
            return set()
        self.prepare(visit, fact, None)
        change = numbers.say(statement_of(fact))
        if not change.is_refused:
            self._review.end(TOO_MANY_NUMBERS, visit.source, owner)
        return self._follow(visit.source, change, owner)

    def out_of_visit(self, visit: Visit, held: Fact) -> set[str]:
        """The visit does not hold the fact any more; the rest as :meth:`in_visit`."""
        said = statement_of(held)
        numbers = self._realm.numbers_of(visit.source)
        change = numbers.say(said._replace(numbers=()), instead_of=said)
        return self._follow(visit.source, change, held.patient, visit)

    def of_person(self, source: str, fact: Fact) -> set[str]:
        """The numbers of a fact that no visit holds, or another reading of one. The patients that it touches.

        A reading without other numbers is kept only where it replaces one that is.
        """
        numbers = self._realm.numbers_of(source)
        held = numbers.bonds.spoken.known(fact.id)
        if held is not None:
            fact = held.told_again(fact)
        elif not fact.others:
            return set()
        self._look_first(source, _numbers_in(fact) | _numbers_in(held))
        change = numbers.say_of_person(fact, held)
        if held is not None and fact != held:  # what was in review stays there while it is so
            change.disputed |= numbers.people(fact.patient).disputed.intersection(fact.others)
        return self._follow(source, change, fact.patient)

    def merge(self, source: str, kept: KeptMerge) -> set[str]:
        """A merge, or another reading of one. The patients that it touches."""
        numbers, merge = self._realm.numbers_of(source), kept.merge
        if numbers.uses_shared_number(merge):
            self._not_merged(NUMBER_OF_MANY, f"{kept.trigger} {MERGES_NOBODY}", merge.id)
            return set()
        held = numbers.bonds.merges.get(merge.id)
        self._look_first(source, {*kept.named, *(held.named if held else ())})
        change = numbers.merge(kept)
        if change.is_refused:
            self._not_merged(TOO_MANY_NUMBERS, TOO_MANY, merge.id)
            return set()
        self._review.taken(merge.id)
        if merge.id in numbers.people(merge.survivor).refused:
            change.refused.add(merge.id)
        key = self._realm.key("merge", source, merge.id)
        self._outbox.state(key, KEPT_MERGE.dump_json(kept))
        return self._follow(source, change, merge.survivor)

    def follow_foreign(self, visit: Visit, before: frozenset[str], told: str | None = None) -> None:
        """Facts that counted are somebody else's by what came later, or are so no longer.

        ``told``: of this one its own input says so.
        """
        origin = self._origin._replace(source=visit.source, raw=None)
        for fact_id in sorted(visit.foreign - before - {told}):
            self._review.trouble(origin, VISIT_OF_ANOTHER, NOT_ANY_MORE, fact_id)
        for fact_id in sorted(before - visit.foreign):
            self._review.end(VISIT_OF_ANOTHER, fact_id)
        if len(before) >= MAX_FOREIGN > len(visit.foreign):
            self._review.end(VISIT_OF_MANY, *visit.at)

    def say_if_refused(self, source: str, merge_id: str) -> None:
        """A merge is told again that is kept: it may close a circle."""
        numbers = self._realm.numbers_of(source)
        if merge_id in numbers.people(numbers.bonds.merges[merge_id].merge.survivor).refused:
            self._refuse(source, merge_id)

    def say_again(self, source: str, named: Container[str]) -> None:
        """Of numbers for whose sake an input is read again: what is still wrong with them.

        What it names may have made other numbers change hands, too; one that is nobody's it may name no longer.
        """
        numbers = self._realm.numbers_of(source)
        for of_source, number in self._review.asked(NUMBER_OF_ANOTHER):
            if of_source == source and number in numbers.people(number).disputed:
                self._trouble(NUMBER_OF_ANOTHER, DISPUTED, source, number)
        for of_source, *numbers_ in self._review.asked(NUMBER_OF_MANY):
            for number in numbers_:
                if of_source == source and number in numbers.bonds.crowded and number in named:
                    self._trouble(NUMBER_OF_MANY, NOBODYS, source, number)

    def _follow(
        self, source: str, change: TiesChange, about: str, at_hand: Visit | None = None
    ) -> set[str]:
        write(self._realm, self._outbox, source, change)
        self._say(source, change, about)
        touched = set(change.tied)
        for number, patients in sorted(change.moved.items()):
            touched.update(patients, self._fold_again(source, number, at_hand))
        return touched

    def _say(self, source: str, change: TiesChange, about: str) -> None:
        for number in sorted(change.disputed):
            self._trouble(NUMBER_OF_ANOTHER, DISPUTED, source, number)
        for number in change.undisputed:
            self._review.end(NUMBER_OF_ANOTHER, source, number)
        for number in sorted(change.crowded):
            self._trouble(NUMBER_OF_MANY, NOBODYS, source, number)
        for merge_id in sorted(change.refused):
            self._refuse(source, merge_id)
        for merge_id in change.followed:
            self._review.end(ALIAS_CYCLE, merge_id)
        if change.is_refused:
            self._trouble(TOO_MANY_NUMBERS, TOO_MANY, source, about)

    def _refuse(self, source: str, merge_id: str) -> None:
        """Blame the merge that closes the circle by its stamp, whichever came last."""
        kept = self._realm.numbers_of(source).bonds.merges[merge_id]
        origin = self._origin._replace(source=source, feed=kept.feed, raw=kept.raw)
        self._review.trouble(origin, ALIAS_CYCLE, f"{kept.trigger} {CIRCLE}", merge_id)

    def _fold_again(self, source: str, number: str, at_hand: Visit | None) -> set[str]:
        """Fold the visits again of which some facts may be somebody else's now, or no longer."""
        touched: set[str] = set()
        for at in sorted(self._realm.by_patient.get(number, ())):
            visit = self._realm.visits[at]
            if at[0] != source or len(visit.patients) == 1:
                continue
            before, visit.fold_ = visit.foreign, None
            if visit is not at_hand:
                touched.add(self._realm.patient_of(visit))
                if visit.foreign != before:
                    touched.update(visit.everyone())
                self.follow_foreign(visit, before)
                self._outbox.encounter(visit)
        return touched

    def _look_first(self, source: str, named: Iterable[str]) -> None:
        """Know which facts count before numbers change hands, also of visits not looked at since the start."""
        numbers = self._realm.numbers_of(source)
        for number in named:
            for together in numbers.connected(number):
                for at in self._realm.by_patient.get(together, ()):
                    visit = self._realm.visits[at]
                    if at[0] == source and len(visit.patients) > 1:
                        visit.fold()

    def _not_merged(self, reason: str, detail: str, merge_id: str) -> None:
        self._review.not_merged(self._origin, reason, detail, merge_id)

    def _trouble(self, reason: str, detail: str, *about: str) -> None:
        self._review.trouble(self._origin, reason, detail, *about)


def write(realm: Realm, outbox: OutputRecords, source: str, change: TiesChange) -> None:
    """Write down what became different of a source's numbers, in an order that does not change from run to run."""
    for pair, row in sorted(change.rows.items()):
        outbox.state(realm.key("number", source, *pair), row)
    for spoken, row in sorted(change.spoken.items()):
        outbox.state(realm.key("spoken", source, *spoken), row)
    for number, at in sorted(change.in_use.items()):
        row = None if at is None else str(at).encode()
        outbox.state(realm.key("crowded", source, number), row)
    for merge_id in sorted(change.gone):
        outbox.state(realm.key("merge", source, merge_id), None)
    for number, pointer in sorted(change.pointers.items()):
        outbox.alias(source, number, pointer)


def _numbers_in(fact: Fact | None) -> set[str]:
    return {fact.patient, *fact.others} if fact else set()


def _others_of(held: Fact | None) -> NumbersStatement | None:
    return statement_of(held) if held is not None and held.others else None
