"""Fold 1: the facts of one visit, in stamp order, become what its source says about it now.

A fold is advanced in place by facts that sort after all it has seen (the incremental path); one
that sorts earlier, or corrects what happened, makes it necessary to fold the visit again. Both end
alike.

A mark is *fulfilled* by arrival: when the patient is in the marked ward, by place or by
responsibility (``fulfilment``). Only annulling that arrival, a new mark, or a state that repeats the
mark while the patient is elsewhere brings it back.

What had not happened when it was said waits (``scheduled_events``). It happens before the first fact that
sorts after its time, or when the fold is told that its time has passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from router.core.annulment import cancels
from router.core.corrections import only
from router.core.effects import EFFECTS, ENDED, Effect
from router.core.facts import Fact, Order, moment
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.history import HistoryEvent, history
from router.core.restating import Whereabouts
from router.core.scheduled_events import NOTHING_AHEAD, ScheduledEvents
from schemas.encounter import EncounterView, Mark, Phase, PlannedMove
from schemas.notification import Reason
from schemas.observation import Location, Protection, What

_PLAIN: Final = (
    "responsible_ward", "planned_discharge_at", "on_leave", "visit_class", "admitting_doctor",
)  # fmt: skip
"""Claims that a fact simply sets or clears."""

_WAITS: Final = frozenset(
    {"place", "temporary_place", "responsible_ward", "on_leave", "visit_class"}
)
"""Claims that do not hold before what lies ahead has happened; the others hold when they are said."""

_HOLDS_IN_THE_PAST: Final = frozenset(
    {What.DISCHARGED, What.ADMISSION_PLANNED, What.TRANSFER_PLANNED, What.DISCHARGE_PLANNED}
)
"""What counts at its own time when it is told later; of a movement only that somebody came."""


_COMES: Final = frozenset({What.ADMITTED, What.TRANSFERRED, What.TRACKED})
"""After these the patient is here, even where nobody can read where."""


@dataclass(slots=True)
class Fold:
    """What a visit's facts amount to.

    ``mark_id`` is the fact that set the mark, ``mark_movement`` its movement if it names one, and
    ``ended_by`` that of what ended the visit.
    ``awaited`` are the movements of which nothing more can be taken in without folding the visit
    again. ``reached`` is the place in the history up to which everything has been taken in.
    ``counted``: the highest version of each series.
    """

    fulfilment: Fulfilment = BY_PLACE
    patient: str = ""
    phase: Phase | None = None
    has_come: bool = False
    ended_by: str | None = None
    place: Location | None = None
    temporary_place: Location | None = None
    mark: Location | None = None
    mark_id: str = ""
    mark_movement: str | None = None
    fulfilled: bool = False
    unmarked: Reason = Reason.CORRECTED
    expected_as_said: datetime | None = None
    responsible_ward: str | None = None
    planned_discharge_at: datetime | None = None
    on_leave: bool | None = None
    visit_class: str | None = None
    admitting_doctor: str | None = None
    protection: Protection | None = None
    protection_order: Order | None = None
    ahead: ScheduledEvents = NOTHING_AHEAD
    last: Order | None = None
    reached: Order | None = None
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
        return self.mark.ward

    @property
    def expected_at(self) -> datetime | None:
        """When the patient is expected in the marked ward: as said, else by a move ahead to it."""
        if self.mark is None or self.expected_as_said is not None:
            return self.expected_as_said
        at = self.ahead.arrives_at(self.mark.ward, self.fulfilment.by(self.mark.ward))
        return None if at is None else moment(at)

    @property
    def leaves_at(self) -> datetime | None:
        """When the patient is planned to leave: by a discharge ahead, else as said."""
        at = self.ahead.ends_at()
        return self.planned_discharge_at if at is None else moment(at)

    @property
    def _whereabouts(self) -> Whereabouts:
        return Whereabouts(self.place.ward if self.place else None, self.responsible_ward)

    def is_in(self, ward: str) -> bool:
        """Whether the ward has the patient now."""
        return _has(ward, self.place, self.responsible_ward, self.fulfilment)

    def copy(self) -> Fold:
        """The same, to be gone on with apart from this one."""
        return replace(self, awaited=set(self.awaited), counted=dict(self.counted))

    # -- taking in --------------------------------------------------------------------------------

    def follows(self, fact: Fact) -> bool:
        """Whether the fact may be taken in as it is, without folding the visit again."""
        in_order = self.reached is None or fact.order > self.reached
        if fact.series is not None and fact.stamp[1] < self.counted.get(fact.series, 0):
            return False
        return in_order and not _corrects(fact) and fact.movement not in self.awaited

    def follow(self, happened: Iterable[HistoryEvent]) -> None:
        """Take in what happened next, in order."""
        for fact, is_annulled in happened:
            if is_annulled:
                self.take_note_of(fact)
            else:
                self.advance(fact)

    def advance(self, fact: Fact) -> None:
        """Take in the next fact in order."""
        self.take_note_of(fact)
        effect = EFFECTS.get(fact.what)
        if effect is None:
            return
        if fact.lies_ahead:
            self._plan(fact, effect)
        elif fact.historic and fact.what not in _HOLDS_IN_THE_PAST:
            self._was_there(fact)
        elif self.ahead.facts:
            self._overtake(fact, effect)
        else:  # nearly always
            self._apply(fact, effect)

    def take_note_of(self, fact: Fact) -> None:
        """What even an annulled fact says: whom it is about, and that it was said."""
        while self.ahead.facts and self.ahead.facts[0].takes_effect < fact.stands:
            self._happen(self.ahead.facts[0])
        order = fact.order
        if self.last is None or order > self.last:  # the past is folded where it happened
            self.last = order
            self.patient = fact.patient
        self._reach(order)
        if fact.occurs is not None or fact.retells:
            self.ahead = self.ahead.with_receipt(fact.received)
        if fact.movement is not None and _corrects(fact):
            self.awaited.add(fact.movement)
        if fact.series is not None:
            self.counted[fact.series] = max(fact.stamp[1], self.counted.get(fact.series, 0))

    def pass_time(self, until: int) -> None:
        """Let happen what was to happen until then (microseconds)."""
        until = max(until, self.ahead.known)
        while self.ahead.facts and self.ahead.facts[0].takes_effect[0][0] <= until:
            self._happen(self.ahead.facts[0])

    def _reach(self, order: Order) -> None:
        if self.reached is None or order > self.reached:
            self.reached = order

    def _plan(self, fact: Fact, effect: Effect) -> None:
        """It has not happened: some of what it says holds already, the rest waits.

        A state says all at once how it is then.
        """
        self.phase = self.phase or Phase.PLANNED
        if fact.is_state:
            self._protect(fact)
        elif not self.ended:
            said = only(fact.claims, fact.claims.model_fields_set - _WAITS)
            self._patch(fact._replace(claims=said))
            self._mark(fact, effect)
            self._arrive(self.place, self.responsible_ward)
        self.ahead = self.ahead.planned(fact)

    def _overtake(self, fact: Fact, effect: Effect) -> None:
        """Something happens before what lies ahead, and may leave nothing of it."""
        if self._takes_back_admission(fact):
            return
        before = self._whereabouts
        self.ahead = self.ahead.overtaken_by(fact, came_back=self.has_come or self.ended)
        self._apply(fact, effect)
        self.ahead = self.ahead.without_arrived(before, self._whereabouts)

    def _takes_back_admission(self, fact: Fact) -> bool:
        """Whether it cancels an admission that lies ahead, of somebody who is here all the same."""
        if fact.what is not What.ADMISSION_CANCELLED or not self.has_come:
            return False
        left = self.ahead.without_admission(fact)
        self.ahead = left or self.ahead
        return left is not None

    def _happen(self, fact: Fact) -> None:
        """The time of the first that lies ahead has come."""
        self.ahead = self.ahead.begun()
        self._reach(fact.takes_effect)
        if not (self.ended or fact.is_state):
            fact = fact._replace(claims=only(fact.claims, _WAITS))
        self._apply(fact, EFFECTS[fact.what])

    def _apply(self, fact: Fact, effect: Effect) -> None:
        is_under_way = self._is_under_way(fact, effect)
        self._patch(fact)
        if is_under_way:
            self._move(fact, effect)
            self._mark(fact, effect)
            self._arrive(self.place, self.responsible_ward)

    def _was_there(self, fact: Fact) -> None:
        """The past says nothing of now: who came then has come."""
        self._protect(fact)
        if not self.ended:
            self._arrive(fact.claims.place, fact.claims.responsible_ward)

    def _patch(self, fact: Fact) -> None:
        claims = fact.claims
        said = claims.model_fields_set
        for name in _PLAIN:
            if name in said:
                setattr(self, name, getattr(claims, name))
        if "protection" in said:
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
        if self.ended:
            self.ended_by = fact.movement
        return True

    def _restart(self, fact: Fact, effect: Effect) -> bool:
        if effect.ended == "reopens":
            self._forget_stay()
        elif not (effect.ended == "resumes" and self._means_the_end(fact)):
            self._end_for_good(fact)
            return False
        self.phase = effect.first
        return True

    def _means_the_end(self, cancel: Fact) -> bool:
        """Whether the cancel of a discharge may mean the one that ended the visit."""
        another = cancel.movement and self.ended_by and cancel.movement != self.ended_by
        return self.phase is Phase.DISCHARGED and not another

    def _forget_stay(self) -> None:
        """What was said of the stay before is not so of the next; protection is the patient's."""
        self.place = self.temporary_place = self.mark = self.expected_as_said = None
        self.has_come = False
        for name in _PLAIN:
            setattr(self, name, None)

    def _end_for_good(self, fact: Fact) -> None:
        if fact.what is What.ADMISSION_CANCELLED:
            self.phase, self.mark = Phase.CANCELLED, None

    def _move(self, fact: Fact, effect: Effect) -> None:
        claims = fact.claims
        if effect.place == "leaves":
            self.place = self.temporary_place = None
            self.has_come = False
            return
        self.has_come |= fact.what in _COMES or claims.place is not None
        said = claims.model_fields_set
        if "place" in said:
            self.place, self.temporary_place = claims.place, None
        if "temporary_place" in said:
            self.temporary_place = claims.temporary_place

    def _mark(self, fact: Fact, effect: Effect) -> None:
        claims = fact.claims
        if effect.mark == "keeps":
            return
        if effect.mark == "unmarks":
            self._unmark(fact)
            return
        if effect.mark == "ends":
            self._drop_mark(Reason.CANCELLED)
            return
        said = claims.model_fields_set
        if "mark" in said:
            self._set_mark(fact, anew=effect.mark == "marks")
        if "expected_at" in said:
            self.expected_as_said = claims.expected_at

    def _unmark(self, cancel: Fact) -> None:
        named = cancel.claims.mark
        if cancel.cancels_movement and cancel.movement and self.mark_movement:
            if cancel.movement == self.mark_movement:  # whichever ward it names by now
                self._drop_mark(Reason.CANCELLED)
        elif named is None or (self.mark is not None and named.ward == self.mark.ward):
            self._drop_mark(Reason.CANCELLED)

    def _drop_mark(self, why: Reason) -> None:
        self.mark, self.mark_movement, self.expected_as_said = None, None, None
        self.unmarked = why

    def _set_mark(self, fact: Fact, *, anew: bool) -> None:
        mark, old = fact.claims.mark, self.mark
        if mark is None:
            self._drop_mark(Reason.CANCELLED if anew else Reason.CORRECTED)
            return
        self.mark = mark
        if old is not None and old.ward != mark.ward:
            self.expected_as_said = None
        if anew or old is None or old.ward != mark.ward:
            self.mark_movement = fact.movement
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
            temporary_place=self.temporary_place,
            planned_move=self._published_move(),
            responsible_ward=self.responsible_ward,
            mark=self._published_mark(),
            planned_discharge_at=self.leaves_at,
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

    def _published_move(self) -> PlannedMove | None:
        move = self.ahead.next_move()
        return None if move is None else PlannedMove(to=move[0], at=moment(move[1]))


def folded(facts: Iterable[Fact], fulfilment: Fulfilment = BY_PLACE, now: int = 0) -> Fold:
    """The fold of a visit's facts, at a time in microseconds; given with the stamps by which they are folded."""
    fold = Fold(fulfilment)
    fold.follow(history(facts))
    fold.pass_time(now)
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
