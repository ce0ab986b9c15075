"""Taking in one observation: the state it changes, and the patients to look at again.

Every observation ends in one of: taken in (new, or a better telling), known already (nothing is
announced again, under whatever control id it came), of no concern (person data without a
protection mark), or in review with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from router.core.facts import Fact, fact_of, microseconds, parsed, row_of
from router.core.outbox import Outbox, review_of
from router.core.retention import drop, is_over
from router.core.state import Realm, Visit, marked
from schemas.observation import Envelope, Observation, What

NO_VISIT: Final = "no-visit"
NO_SURVIVOR: Final = "merge-without-survivor"
TOO_LATE: Final = "too-late"
ALIAS_CYCLE: Final = "alias-cycle"


class Observer:
    """Takes in the observations of one envelope."""

    def __init__(self, realm: Realm, outbox: Outbox, envelope: Envelope, keep: timedelta) -> None:
        self._realm = realm
        self._outbox = outbox
        self._envelope = envelope
        self._keep = keep

    def take_in(self, said: Observation) -> set[str]:
        """The patients whose designations may have changed."""
        return _TAKERS.get(said.what, Observer._visit)(self, said)

    @property
    def _horizon(self) -> datetime:
        return self._envelope.told_at - self._keep

    # -- a visit --------------------------------------------------------------------------------

    def _visit(self, said: Observation) -> set[str]:
        if said.visit is None:
            return self._review(said, NO_VISIT, f"{said.trigger} is about a visit and names none")
        fact = fact_of(said)
        visit = self._kept_visit(said.source, said.visit)
        if visit is not None:
            return self._known_visit(visit, fact)
        if fact.stamp[0] < microseconds(self._horizon):
            return self._review(
                said, TOO_LATE, f"{said.trigger} is older than what is kept of visits that ended"
            )
        return self._add(self._realm.visit((said.source, said.visit)), fact)

    def _kept_visit(self, source: str, number: str) -> Visit | None:
        visit = self._realm.visits.get((source, number))
        if visit is not None and is_over(visit.fold(), self._horizon):
            drop(self._realm, self._outbox, visit)
            return None
        return visit

    def _known_visit(self, visit: Visit, fact: Fact) -> set[str]:
        held = visit.known(fact.id)
        if held is None:
            return self._add(visit, fact)
        fact = held.told_again(fact)
        if fact == held:
            return set()
        return self._add(visit, fact, self._realm.fact_key(visit, held))

    def _add(self, visit: Visit, fact: Fact, old_key: str | None = None) -> set[str]:
        realm, outbox = self._realm, self._outbox
        touched = {realm.patient_of(visit)} if visit.fold().last else set()
        row, key = visit.add(fact), realm.fact_key(visit, fact)
        if old_key is not None and old_key != key:
            outbox.state(old_key, None)
        outbox.state(key, row)
        realm.index(visit.at, fact.patient, marked(fact))
        outbox.encounter(visit)
        return touched | {realm.patient_of(visit)}

    # -- a patient ------------------------------------------------------------------------------

    def _person(self, said: Observation) -> set[str]:
        if not said.claims.says("protection"):
            return set()
        fact = fact_of(said)
        rows = self._realm.person(said.source, fact.patient)
        row, held = row_of(fact), rows.get(fact.id)
        if held is not None:
            row = row_of(parsed(held).told_again(fact))
        if row == held:
            return set()
        rows[fact.id] = row
        self._outbox.state(self._person_key(said.source, fact), row)
        self._forget_older(said.source, fact.patient)
        return {self._realm.aliases_of(said.source).resolve(fact.patient)}

    def _person_key(self, source: str, fact: Fact) -> str:
        return self._realm.key("person", source, fact.patient, fact.id)

    def _forget_older(self, source: str, patient: str) -> None:
        rows, horizon = self._realm.person(source, patient), microseconds(self._horizon)
        facts = sorted(map(parsed, rows.values()), key=lambda fact: fact.order)
        for fact in facts[:-1]:
            if fact.stamp[0] < horizon:
                del rows[fact.id]
                self._outbox.state(self._person_key(source, fact), None)

    def _merge(self, said: Observation) -> set[str]:
        fact = fact_of(said)
        if fact.merged_into is None:
            return self._review(said, NO_SURVIVOR, f"{said.trigger} names no surviving patient")
        aliases = self._realm.aliases_of(said.source)
        held, refused = aliases.known(fact.id), aliases.refused()
        fact = held.told_again(fact) if held else fact
        if fact == held:
            return set()
        touched = aliases.add(fact)
        self._outbox.state(self._realm.key("merge", said.source, fact.id), row_of(fact))
        if aliases.refused() - refused:
            self._review(said, ALIAS_CYCLE, f"{said.trigger} closes a circle of merges")
        return touched

    # -- review ---------------------------------------------------------------------------------

    def _review(self, said: Observation, reason: str, detail: str) -> set[str]:
        self._outbox.review(review_of(self._envelope, said, reason, detail))
        return set()


_TAKERS: Final[Mapping[What, Callable[[Observer, Observation], set[str]]]] = {
    What.PERSON_UPDATED: Observer._person,  # noqa: SLF001 - a table of the class's own methods
    What.PATIENTS_MERGED: Observer._merge,  # noqa: SLF001
}
