"""Fold 1: the facts of one visit, in stamp order, become what its source says about it now.

A fold is advanced in place by facts that sort after all it has seen (the incremental path); one
that sorts earlier, or corrects what happened, makes it necessary to fold the visit again. Both end
alike.

A mark is *fulfilled* by arrival: when the patient is in the marked ward, by place or by
responsibility (``fulfilment``). Only annulling that arrival, a new mark, or a state that repeats the
mark while the patient is elsewhere brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from router.core.annulment import cancels
from router.core.effects import EFFECTS, ENDED, Effect
from router.core.facts import Fact, Stamp, moment
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.history import history
from router.core.versions import in_server_order
from schemas.encounter import EncounterView, Mark, Phase
from schemas.notification import Reason
from schemas.observation import Claims, Location, Protection, What

_PLAIN: Final = (
    "responsible_ward", "planned_discharge_at", "on_leave", "visit_class", "admitting_doctor",
)  # fmt: skip
"""Claims that a fact simply sets or clears."""


@dataclass(slots=True)
class Fold:
    """What a visit's facts amount to. ``mark_id`` is the fact that set the mark.

    ``awaited`` are the movements of which nothing more can be taken in without folding the visit
    again. ``counted``: the highest version of each series.
    """

    fulfilment: Fulfilment = BY_PLACE
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
    counted: dict[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the visit is over."""
        return self.phase in ENDED

    @property
    def awaits_patient_in(self) -> str | None:
        """The ward that this visit is marked for and has not come to."""
        if self.mark is None or self.fulfilled or self.ended:
            return None
        return None if self.is_in(self.mark.ward) else self.mark.ward

    def is_in(self, ward: str) -> bool:
        """Whether the ward has the patient now."""
        return _has(ward, self.place, self.responsible_ward, self.fulfilment)

    def follows(self, fact: Fact) -> bool:
        """Whether the fact may be taken in as it is, without folding the visit again."""
        in_order = self.last is None or fact.order > self.last
        if fact.series is not None and fact.stamp[1] < self.counted.get(fact.series, 0):
            return False
        return in_order and not _corrects(fact) and fact.movement not in self.awaited

    def advance(self, fact: Fact) -> None:
        """Take in the next fact in order."""
        self.take_note_of(fact)
        effect = EFFECTS.get(fact.what)
        if effect is None:
            return
        if fact.past is not None:
            self._was_there(fact)
            return
        is_under_way = self._is_under_way(fact, effect)
        self._patch(fact)
        if is_under_way:
            self._move(fact.claims, effect)
            self._mark(fact, effect)
            self._arrive(None if self.tracked else self.place, self.responsible_ward)

    def take_note_of(self, fact: Fact) -> None:
        """What even an annulled fact says: whom it is about, and that it was said."""
        if self.last is None or fact.order > self.last:  # the past is folded where it happened
            self.last = fact.order
            self.patient = fact.patient
        if fact.movement is not None and _corrects(fact):
            self.awaited.add(fact.movement)
        if fact.series is not None:
            self.counted[fact.series] = max(fact.stamp[1], self.counted.get(fact.series, 0))

    def _was_there(self, fact: Fact) -> None:
        """The past says nothing of now: who came then has come."""
        self._protect(fact)
        if not self.ended:
            place = None if EFFECTS[fact.what].place == "tracks" else fact.claims.place
            self._arrive(place, fact.claims.responsible_ward)

    def _patch(self, fact: Fact) -> None:
        for name in _PLAIN:
            if fact.claims.says(name):
                setattr(self, name, getattr(fact.claims, name))
        self._protect(fact)

    def _protect(self, fact: Fact) -> None:
        newest = self.protection_order is None or fact.order > self.protection_order
        if newest and fact.claims.says("protection"):
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
            self.place, self.responsible_ward, self.mark, self.expected_at = None, None, None, None
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
        if effect.mark == "unmarks":
            self._unmark(claims.mark)
            return
        if effect.mark == "ends":
            self._drop_mark(Reason.CANCELLED)
            return
        if claims.says("mark"):
            self._set_mark(fact, anew=effect.mark == "marks")
        if claims.says("expected_at"):
            self.expected_at = claims.expected_at

    def _unmark(self, named: Location | None) -> None:
        if named is None or (self.mark is not None and named.ward == self.mark.ward):
            self._drop_mark(Reason.CANCELLED)

    def _drop_mark(self, why: Reason) -> None:
        self.mark, self.expected_at, self.unmarked = None, None, why

    def _set_mark(self, fact: Fact, *, anew: bool) -> None:
        mark, old = fact.claims.mark, self.mark
        if mark is None:
            self._drop_mark(Reason.CANCELLED if anew else Reason.CORRECTED)
            return
        self.mark = mark
        if old is not None and old.ward != mark.ward:
            self.expected_at = None
        if old is None or old.ward != mark.ward or (anew and self.fulfilled):
            # a state that repeats a fulfilled mark reopens the same one: it is no new mark
            repeated = old is not None and old.ward == mark.ward and fact.is_state
            self.mark_id = self.mark_id if repeated else fact.id
            self.fulfilled = False

    def _arrive(self, place: Location | None, responsible: str | None) -> None:
        if self.mark and _has(self.mark.ward, place, responsible, self.fulfilment):
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


def folded(facts: Iterable[Fact], fulfilment: Fulfilment = BY_PLACE) -> Fold:
    """The fold of a visit's facts, given in any order."""
    fold = Fold(fulfilment)
    for fact, is_annulled in history(in_server_order(facts)):
        if is_annulled:
            fold.take_note_of(fact)
        else:
            fold.advance(fact)
    return fold


def _has(
    ward: str, place: Location | None, responsible: str | None, fulfilment: Fulfilment
) -> bool:
    if fulfilment.by(ward) == "responsible":
        return responsible == ward
    return place is not None and place.ward == ward


def _corrects(fact: Fact) -> bool:
    """Whether a fact may change what earlier ones amount to."""
    return fact.is_of_history or bool(cancels(fact))
