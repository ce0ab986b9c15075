"""Fold 1: the facts of one visit, in stamp order, become what its source says about it now.

A fold is advanced in place by facts that sort after all it has seen (the incremental path); one
that sorts earlier, or annuls another, makes it necessary to fold the visit again. Both end alike.

A mark is *fulfilled* by arrival: when the place equals the marked ward. Only annulling that
arrival, a new mark, or a state that repeats the mark while the patient is elsewhere brings it
back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from router.core.annulment import annulled, cancels
from router.core.effects import EFFECTS, ENDED, Effect
from router.core.facts import Fact, Stamp, moment
from schemas.encounter import EncounterView, Mark, Phase
from schemas.notification import Reason
from schemas.observation import Claims, Location, Protection, What

_PLAIN: Final = (
    "responsible_ward", "planned_discharge_at", "on_leave", "visit_class", "admitting_doctor",
)  # fmt: skip
"""Claims that a fact simply sets or clears."""


@dataclass(slots=True)
class Fold:
    """What a visit's facts amount to. ``mark_id`` is the fact that set the mark."""

    patient: str = ""
    phase: Phase | None = None
    place: Location | None = None
    tracked: bool = False
    mark: Location | None = None
    mark_id: str = ""
    fulfilled: bool = False
    unmarked: Reason = Reason.CORRECTED
    expected_at: datetime | None = None
    responsible_ward: str | None = None
    planned_discharge_at: datetime | None = None
    on_leave: bool | None = None
    visit_class: str | None = None
    admitting_doctor: str | None = None
    protection: Protection | None = None
    protection_order: tuple[Stamp, str] | None = None
    last: tuple[Stamp, str] | None = None
    awaited: set[str] = field(default_factory=set)

    @property
    def ended(self) -> bool:
        """Whether the visit is over."""
        return self.phase in ENDED

    @property
    def awaits_patient_in(self) -> str | None:
        """The ward that this visit is marked for and has not come to."""
        if self.mark is None or self.fulfilled or self.ended:
            return None
        there = self.place is not None and self.place.ward == self.mark.ward
        return None if there else self.mark.ward

    def follows(self, fact: Fact) -> bool:
        """Whether the fact may be taken in as it is, without folding the visit again."""
        in_order = self.last is None or fact.order > self.last
        return in_order and not cancels(fact) and fact.movement not in self.awaited

    def advance(self, fact: Fact) -> None:
        """Take in the next fact in order."""
        self.take_note_of(fact)
        effect = EFFECTS.get(fact.what)
        if effect is None:
            return
        self._patch(fact)
        if self._is_under_way(fact, effect):
            self._move(fact.claims, effect)
            self._mark(fact, effect)
            self._arrive()

    def take_note_of(self, fact: Fact) -> None:
        """What even an annulled fact says: whom it is about, and that it was said."""
        self.last = fact.order
        self.patient = fact.patient
        if fact.movement is not None and cancels(fact):
            self.awaited.add(fact.movement)

    def _patch(self, fact: Fact) -> None:
        for name in _PLAIN:
            if fact.claims.says(name):
                setattr(self, name, getattr(fact.claims, name))
        if fact.claims.says("protection"):
            self.protection = fact.claims.protection or Protection.NONE
            self.protection_order = fact.order

    def _is_under_way(self, fact: Fact, effect: Effect) -> bool:
        """Move on to the fact's phase; False if the visit has ended and stays so."""
        if self.ended:
            return self._restart(fact, effect)
        self.phase = (effect.first if self.phase is None else effect.then) or self.phase
        return True

    def _restart(self, fact: Fact, effect: Effect) -> bool:
        if effect.ended == "reopens":
            self.place, self.mark, self.expected_at = None, None, None
        elif not (effect.ended == "resumes" and self.phase is Phase.DISCHARGED):
            self._end_for_good(fact)
            return False
        self.phase = effect.first
        return True

    def _end_for_good(self, fact: Fact) -> None:
        if fact.what is What.ADMISSION_CANCELLED:
            self.phase, self.mark = Phase.CANCELLED, None

    def _move(self, claims: Claims, effect: Effect) -> None:
        if effect.place == "leaves":
            self.place, self.tracked = None, False
        elif claims.says("place"):
            self.place, self.tracked = claims.place, effect.place == "tracks"

    def _mark(self, fact: Fact, effect: Effect) -> None:
        claims = fact.claims
        if effect.mark == "keeps":
            return
        if effect.mark in {"unmarks", "ends"}:
            self._unmark(claims.mark if effect.mark == "unmarks" else None)
            return
        if claims.says("mark"):
            self._set_mark(fact, anew=effect.mark == "marks")
        if claims.says("expected_at"):
            self.expected_at = claims.expected_at

    def _unmark(self, named: Location | None) -> None:
        if named is None or (self.mark is not None and named.ward == self.mark.ward):
            self.mark, self.expected_at = None, None
            self.unmarked = Reason.CANCELLED

    def _set_mark(self, fact: Fact, *, anew: bool) -> None:
        mark, old = fact.claims.mark, self.mark
        if mark is None:
            self.mark, self.expected_at = None, None
            self.unmarked = Reason.CANCELLED if anew else Reason.CORRECTED
            return
        self.mark = mark
        if old is not None and old.ward != mark.ward:
            self.expected_at = None
        if old is None or old.ward != mark.ward or (anew and self.fulfilled):
            # a state that repeats a fulfilled mark reopens the same one: it is no new mark
            repeated = old is not None and old.ward == mark.ward and fact.is_state
            self.mark_id = self.mark_id if repeated else fact.id
            self.fulfilled = False

    def _arrive(self) -> None:
        if self.mark is None or self.place is None or self.tracked:
            return
        if self.place.ward == self.mark.ward:
            self.fulfilled = True

    def view(self, source: str, visit: str) -> EncounterView:
        """The published form. Only of a fold that has seen a fact."""
        stamp = self.last[0] if self.last else (0, 0, 0, 0)
        return EncounterView.model_construct(
            type="encounter-view",
            version=1,
            source=source,
            visit=visit,
            patient=self.patient,
            phase=self.phase or Phase.PLANNED,
            place=self.place,
            responsible_ward=self.responsible_ward,
            mark=self._published_mark(),
            planned_discharge_at=self.planned_discharge_at,
            on_leave=self.on_leave,
            visit_class=self.visit_class,
            admitting_doctor=self.admitting_doctor,
            protection=self.protection or Protection.NONE,
            last_at=moment(stamp[0]),
        )

    def _published_mark(self) -> Mark | None:
        if self.mark is None:
            return None
        return Mark(to=self.mark, expected_at=self.expected_at, fulfilled=self.fulfilled)


def folded(facts: Iterable[Fact]) -> Fold:
    """The fold of a visit's facts, given in any order."""
    ordered = sorted(facts, key=lambda fact: fact.order)
    gone = annulled(ordered)
    fold = Fold()
    for fact in ordered:
        if fact.id in gone:
            fold.take_note_of(fact)
        else:
            fold.advance(fact)
    return fold
