"""Applies one observation to the state and returns the patients to look at again.

Every observation ends in one of: taken in (new, or a better telling), known already (nothing is
announced again, under whatever control id it came), of no concern (person data without a
protection mark), or in review with a reason. What is wrong with an observation is said whenever it is told,
also where it is known already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from router.core.bonds import KeptMerge
from router.core.due import DUE
from router.core.facts import Fact, fact_of, microseconds
from router.core.held_visit import Visit, marked
from router.core.keys import bare_number
from router.core.marks import keep_mark
from router.core.output_records import OutputRecords
from router.core.reasons import (
    CLOCKS_DIFFER,
    NAMED_TWICE,
    NO_SURVIVOR,
    NO_VISIT,
    OF_ANOTHER,
    OF_MANY,
    OF_MANY_AHEAD,
    OF_MANY_CANCELS,
    OF_MANY_CORRECTIONS,
    OF_MANY_EVENTS,
    OF_MANY_VISITS,
    OLDER_THAN_KEPT,
    TOO_LATE,
    TOO_MANY_AHEAD,
    TOO_MANY_CANCELS,
    TOO_MANY_CORRECTIONS,
    TOO_MANY_EVENTS,
    TOO_MANY_VISITS,
    VERSIONS_CONTRADICT,
    VISIT_OF_ANOTHER,
    VISIT_OF_MANY,
    WITHOUT_ASSIGNER,
)
from router.core.recognise import Recogniser
from router.core.retention import drop, forget_visit, is_over
from router.core.review import EnvelopeReview, InputOrigin, origin_of
from router.core.state import Realm
from router.core.twins import are_named_twice, held_elsewhere, is_named_twice
from router.core.versions import contradicts
from schemas.observation import Envelope, Observation, What


class ObservationHandler:
    """Takes in the observations of one envelope."""

    def __init__(
        self, realm: Realm, outbox: OutputRecords, envelope: Envelope, keep: timedelta
    ) -> None:
        self._realm = realm
        self._outbox = outbox
        self._envelope = envelope
        self._keep = keep
        self._review = EnvelopeReview(realm, outbox, envelope)

    def take_in(self, said: Observation) -> set[str]:
        """The patients whose designations may have changed."""
        touched = _TAKERS.get(said.what, ObservationHandler._visit)(self, said)
        if self._envelope.settles:
            self._say_again(said)
        return touched

    def close(self) -> None:
        """To be called once all is taken in: write down what is in review."""
        self._review.close()

    @property
    def _horizon(self) -> datetime:
        return self._realm.horizon(self._envelope.told_at, self._keep)

    # -- a visit --------------------------------------------------------------------------------

    def _visit(self, said: Observation) -> set[str]:
        if said.visit is None:
            self._review.refuse(said, NO_VISIT, "is about a visit and names none")
            return set()
        fact = fact_of(said)
        visit = self._kept_visit(said.source, said.visit)
        if visit is not None:
            self._look_at_versions(visit, fact, said)
            held = visit.known(fact.id)
            if held is not None:
                return self._told_again(visit, said, fact, held)
        elif fact.stamp[0] < microseconds(self._horizon):
            return self._withhold(said, TOO_LATE, OLDER_THAN_KEPT)
        return self._not_held(visit, said, fact)

    def _look_at_versions(self, visit: Visit, fact: Fact, said: Observation) -> None:
        """A warning where the source's count and its time contradict each other."""
        if fact.series is None or visit.follows(fact) or visit.known(fact.id):
            return
        if contradicts(fact, visit.facts()):
            self._review.warn(said, VERSIONS_CONTRADICT, CLOCKS_DIFFER)

    def _kept_visit(self, source: str, number: str) -> Visit | None:
        visit = self._realm.visits.get((source, number))
        if visit is not None and is_over(self._realm, visit.at, visit.fold(), self._horizon):
            drop(self._realm, self._outbox, visit, self._horizon)
            return None
        return visit

    def _told_again(self, visit: Visit, said: Observation, fact: Fact, held: Fact) -> set[str]:
        fact = held.told_again(fact)
        if fact == held:
            return self._told_alike(visit, said, fact)
        if (why := self._why_too_many(visit, fact)) is not None:
            return self._withhold(said, *why)
        return self._add(visit, said, fact, held)

    def _told_alike(self, visit: Visit, said: Observation, fact: Fact) -> set[str]:
        """Nothing of it is new; what is wrong with it is said all the same."""
        visit.fold()
        if fact.id in visit.foreign:
            self._of_another(visit, said)
        return self._recogniser(said).tie_again(visit, fact) if fact.others else set()

    def _not_held(self, visit: Visit | None, said: Observation, fact: Fact) -> set[str]:
        """A fact that the visit, which may be a new one, does not hold; another one may, by another reading."""
        touched = set[str]()
        elsewhere = held_elsewhere(self._realm, (said.source, said.visit or ""), fact)
        if elsewhere is not None:
            if not fact.leads(elsewhere.fact):
                return self._told_again(elsewhere.visit, said, fact, elsewhere.fact)
            fact = elsewhere.fact.told_again(fact)
            touched |= self._take_out(said, *elsewhere)
        if visit is None:
            return touched | self._new_visit(said, fact)
        return touched | self._new_fact(visit, said, fact)

    def _new_fact(self, visit: Visit, said: Observation, fact: Fact) -> set[str]:
        if visit.is_crowded_for(fact):
            return self._withhold(said, VISIT_OF_ANOTHER, OF_ANOTHER)
        if visit.is_full:
            return self._withhold(said, TOO_MANY_EVENTS, OF_MANY_EVENTS)
        if (why := self._why_too_many(visit, fact)) is not None:
            return self._withhold(said, *why)
        return self._add(visit, said, fact)

    def _why_too_many(self, visit: Visit, fact: Fact) -> tuple[str, str] | None:
        """Reason and detail, where there are as many of such a kind as no stay, or no patient, has."""
        if visit.is_corrected_too_often_for(fact):
            return TOO_MANY_CORRECTIONS, OF_MANY_CORRECTIONS
        if visit.is_cancelled_too_often_for(fact):
            return TOO_MANY_CANCELS, OF_MANY_CANCELS
        if visit.has_too_much_ahead_for(fact):
            return TOO_MANY_AHEAD, OF_MANY_AHEAD
        if not visit.patients or fact.patient in visit.patients:  # nearly always
            return None
        if self._realm.has_many_visits(visit.source, fact.patient):
            return TOO_MANY_VISITS, OF_MANY_VISITS
        return None

    def _new_visit(self, said: Observation, fact: Fact) -> set[str]:
        realm = self._realm
        if realm.has_many_visits(said.source, fact.patient):
            return self._withhold(said, TOO_MANY_VISITS, OF_MANY_VISITS)
        visit = realm.visit((said.source, said.visit or ""))
        touched = self._new_fact(visit, said, fact)
        if is_named_twice(realm, visit, fact.patient):
            self._named_twice(said, visit.visit)
        return touched

    def _named_twice(self, said: Observation, number: str) -> None:
        about = said.source, bare_number(number)
        self._review.trouble(self._origin(said), WITHOUT_ASSIGNER, NAMED_TWICE, *about)

    def _take_out(self, said: Observation, visit: Visit, held: Fact) -> set[str]:
        """The statement is about another visit, by a newer reading: it leaves this one."""
        realm, outbox = self._realm, self._outbox
        visit.fold()
        recogniser, foreign = self._recogniser(said), visit.foreign
        was_named_twice = are_named_twice(realm, *visit.at)
        touched = set(visit.everyone())
        if held.others:
            recogniser.prepare(visit, held, held)
        outbox.state(realm.fact_key(visit, held), None)
        visit.let_go(held.id)
        realm.unindex(visit, held)
        if held.others:
            touched |= recogniser.out_of_visit(visit, held)
        if not visit.patients:
            forget_visit(realm, outbox, visit)
        else:
            outbox.encounter(visit)
            touched |= {realm.patient_of(visit)}
        recogniser.follow_foreign(visit, foreign)
        if was_named_twice and not are_named_twice(realm, *visit.at):
            self._review.end(WITHOUT_ASSIGNER, visit.source, bare_number(visit.visit))
        return touched

    def _add(
        self, visit: Visit, said: Observation, fact: Fact, held: Fact | None = None
    ) -> set[str]:
        realm, outbox = self._realm, self._outbox
        self._review.taken(fact.id)
        touched = {realm.patient_of(visit)} if visit.fold().last else set()
        recogniser = self._recogniser(said) if fact.others or (held and held.others) else None
        if recogniser is not None:
            recogniser.prepare(visit, fact, held)
        foreign, row, key = visit.foreign, visit.hold(fact), realm.fact_key(visit, fact)
        if held is not None and (old_key := realm.fact_key(visit, held)) != key:
            outbox.state(old_key, None)
            realm.unindex(visit, held)
        outbox.state(key, row)
        if due := realm.due_row(visit, fact):
            outbox.state(realm.key(DUE, *visit.at), due)
        realm.index(visit, fact.patient, marked(fact))
        if recogniser is not None:
            touched |= recogniser.in_visit(visit, fact, held)
        visit.take(fact, is_new=held is None)
        if visit.foreign or foreign:
            self._recogniser(said).follow_foreign(visit, foreign, fact.id)
        if fact.id in visit.foreign:
            self._of_another(visit, said)
        touched.update(map(visit.numbers.resolve, (fact.patient, (held or fact).patient)))
        if visit.foreign != foreign:
            touched.update(visit.everyone())
        outbox.encounter(visit)
        return touched | {realm.patient_of(visit)}

    def _of_another(self, visit: Visit, said: Observation) -> None:
        self._review.of_another(said)
        if visit.is_crowded:
            self._review.trouble(self._origin(said), VISIT_OF_MANY, OF_MANY, *visit.at)

    # -- a patient ------------------------------------------------------------------------------

    def _person(self, said: Observation) -> set[str]:
        fact = fact_of(said)
        touched = self._recogniser(said).of_person(said.source, fact)
        if not said.claims.says("protection"):
            return touched
        if keep_mark(self._realm, self._outbox, said.source, fact):
            touched |= {self._realm.numbers_of(said.source).resolve(fact.patient)}
        return touched

    def _merge(self, said: Observation) -> set[str]:
        fact = fact_of(said)
        if said.merged_into is None:
            self._review.refuse(said, NO_SURVIVOR, "names no surviving patient")
            return set()
        others = said.merged_into.other_keys
        held = self._realm.numbers_of(said.source).bonds.merges.get(fact.id)
        if held is not None:
            others = others if fact.leads(held.fact) else held.others
            fact = held.fact.told_again(fact)
            if fact == held.fact:
                self._recogniser(said).say_if_refused(said.source, fact.id)
                return set()
        kept = KeptMerge(fact, said.feed, said.trigger, self._envelope.raw, others)
        return self._recogniser(said).merge(said.source, kept)

    def _recogniser(self, said: Observation) -> Recogniser:
        return Recogniser(self._realm, self._outbox, self._review, self._origin(said))

    # -- review ---------------------------------------------------------------------------------

    def _origin(self, said: Observation) -> InputOrigin:
        return origin_of(self._envelope, said)

    def _withhold(self, said: Observation, reason: str, detail: str) -> set[str]:
        self._review.withhold(said, reason, detail)
        return set()

    def _say_again(self, said: Observation) -> None:
        """Of what a person had read again: what is no matter of this statement alone, and is so still."""
        people = filter(None, (said.patient, said.merged_into))
        named = {number for each in people for number in (each.key, *each.other_keys)}
        self._recogniser(said).say_again(said.source, named)
        visit = self._realm.visits.get((said.source, said.visit or ""))
        if visit is None:
            return
        number = [visit.source, bare_number(visit.visit)]
        if number in self._review.asked(WITHOUT_ASSIGNER) and are_named_twice(
            self._realm, *visit.at
        ):
            self._named_twice(said, visit.visit)
        if [said.id] in self._review.asked(VERSIONS_CONTRADICT):
            fact = visit.known(said.id)
            if fact is not None and contradicts(fact, visit.facts()):
                self._review.warn(said, VERSIONS_CONTRADICT, CLOCKS_DIFFER)


_TAKERS: Final[Mapping[What, Callable[[ObservationHandler, Observation], set[str]]]] = {
    What.PERSON_UPDATED: ObservationHandler._person,  # noqa: SLF001 - a table of the class's own methods
    What.PATIENTS_MERGED: ObservationHandler._merge,  # noqa: SLF001
}
