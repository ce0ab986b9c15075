"""Generated days of one patient, sent as ADT in order on one connection, with their known end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from tests.wards.meant import Deed, Kind, Patient, outcome
from tests.wards.sender import Sender, Zbe

WARDS = ("W1", "W2", "W3")
PLACES = (*WARDS, "ED")
_MOVES = {"move": "A02", "arrive": "A10", "admit": "A01"}
_PLANS = ("A05", "A14", "A15")


@dataclass
class Day:
    """One patient's visit. ``with_ids``: movements have ids, and are corrected and cancelled by them."""

    random: Random
    visit: str
    with_ids: bool
    sender: Sender
    deeds: list[Deed] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    now: datetime = datetime(2000, 1, 1)  # noqa: DTZ001 - on the wall
    was_placed_at: datetime = datetime(2000, 1, 1)  # noqa: DTZ001 - on the wall

    @property
    def meant(self) -> Patient:
        return outcome(self.deeds, self.now, self.sender.now)

    def act(self) -> None:
        """Do something that a record system would let one do, and send what it sends."""
        self.sender.turn()
        deed = self.random.choice(_DEEDS)
        before = len(self.messages)
        deed(self)
        if len(self.messages) > before:
            self.did.append(deed.__name__)

    # -- sending --------------------------------------------------------------------------------

    def _send(self, event: str, place: str = "", *, of: Zbe | None = None, **more: object) -> None:
        zbe = of if self.with_ids or (of is not None and not of.movement) else None
        message = self.sender.message(event, self.visit, place, zbe=zbe, **more)  # type: ignore[arg-type]
        self.messages.append(message)

    def _do(self, kind: Kind, ward: str, event: str, place: str = "", **more: object) -> Deed:
        """A deed of now, or of later (``occurred``)."""
        movement = f"M{self.sender.sent + 1}" if self.with_ids else ""
        self._send(event, place, of=Zbe(movement), **more)
        ahead = more.get("occurred")
        happens_at = ahead if isinstance(ahead, datetime) and ahead > self.sender.now else None
        deed = Deed(kind, ward, self.sender.now, self.sender.sent, happens_at, movement)
        self.deeds.append(deed)
        return deed

    def _later(self) -> datetime:
        return self.sender.now + timedelta(seconds=self.random.randint(10, 60))

    # -- plans ----------------------------------------------------------------------------------

    def mark(self) -> None:
        ward, meant = self.random.choice(WARDS), self.meant
        event = "A15" if meant.phase == "here" else self.random.choice(("A14", "A05"))
        self._do("mark", ward, event, meant.place, pending=ward)

    def book_an_outpatient(self) -> None:
        self._do("book", "", "A05", pending=self.random.choice(WARDS), patient_class="O")
        self.deeds[-1].movement = ""

    def unmark(self) -> None:
        if self.meant.phase != "gone":
            ward = self.random.choice(("", self.meant.mark, *WARDS))
            self._do("unmark", ward, self.random.choice(("A26", "A27", "A38")), pending=ward)
            self.deeds[-1].movement = ""

    def tell_a_lost_plan(self) -> None:
        if self.with_ids:
            ward, movement = self.random.choice(WARDS), f"M{self.sender.sent + 1}"
            self._send("Z99", pending=ward, of=Zbe(movement, "UPDATE", self.random.choice(_PLANS)))
            self.deeds.append(
                Deed("mark", ward, self.sender.now, self.sender.sent, movement=movement)
            )

    def correct_a_plan(self) -> None:
        plans = [deed for deed in self.deeds if deed.kind == "mark" and deed.movement]
        if plans:
            plan, ward = self.random.choice(plans), self.random.choice(WARDS)
            original = self.random.choice(("A05", "A14", "A15", ""))
            self._send("Z99", pending=ward, of=Zbe(plan.movement, "UPDATE", original))
            plan.ward = ward

    # -- movements ------------------------------------------------------------------------------

    def move(self) -> None:
        kind: Kind = "move" if self.meant.phase == "here" else "admit"
        to = self.random.choice(PLACES)
        self._do(kind, to, _MOVES[kind], to)

    def move_later(self) -> None:
        kind: Kind = "move" if self.meant.phase == "here" else "admit"
        to = self.random.choice(PLACES)
        self._do(kind, to, _MOVES[kind], to, occurred=self._later())

    def arrive(self) -> None:
        if self.meant.phase == "here":
            to = self.random.choice(PLACES)
            self._do("arrive", to, "A10", to)

    def go_for_a_while(self) -> None:
        if self.meant.phase == "here":
            event, temporary = self.random.choice(("A09", "A10")), self.random.choice(PLACES)
            self._send(event, self.meant.place, temporary=temporary)
            if self.random.random() < 0.5:
                self.sender.turn()
                cancel = {"A09": "A33", "A10": "A32"}[event]
                self._send(cancel, self._place_after())

    def depart(self) -> None:
        if self.meant.phase == "here":
            self._send("A09", self.random.choice(PLACES))

    def cancel_a_movement(self) -> None:
        """The newest, as it stands by now."""
        moves = [deed for deed in self._this_stay() if deed.kind == "move"]
        newest = self._newest(moves)
        if newest is not None:
            self._strike(newest)
            self._send("A12", self._place_after(), of=Zbe(newest.movement, "CANCEL", "A02"))

    def cancel_any_movement(self) -> None:
        moves = [deed for deed in self._this_stay() if deed.kind == "move" and deed.movement]
        if moves:
            wrong = self.random.choice(moves)
            self._strike(wrong)
            event = self.random.choice(("A12", "Z99"))
            self._send(event, of=Zbe(wrong.movement, "CANCEL", "A02"))

    def correct_a_movement(self) -> None:
        moves = [deed for deed in self._this_stay() if deed.kind == "move" and deed.movement]
        if moves:
            moved, to = self.random.choice(moves), self.random.choice(PLACES)
            ahead = moved.happens_at is not None and not moved.has_happened(self._by)
            zbe = Zbe(moved.movement, "UPDATE", "A02", historic=not ahead)
            self._send("Z99", to, of=replace(zbe, at=moved.happens_at or moved.said_at))
            moved.ward = to

    def tell_of_the_past(self) -> None:
        if self.with_ids and self.deeds and self.meant.phase != "gone":
            then, ward = self.random.choice(self.deeds).said_at, self.random.choice(WARDS)
            zbe = Zbe(f"M{self.sender.sent + 1}", "INSERT", "A02", historic=True, at=then)
            self._send("Z99", ward, of=zbe)
            self.deeds.append(Deed("was at", ward, then, self.sender.sent))

    # -- the end --------------------------------------------------------------------------------

    def leave(self) -> None:
        if self.meant.phase != "gone":
            self._do("leave", "", "A03")

    def leave_later(self) -> None:
        if self.meant.phase == "here":
            self._do("leave", "", "A03", occurred=self._later())

    def tell_a_lost_discharge(self) -> None:
        times = [deed.said_at for deed in self.deeds if deed.said_at >= self.was_placed_at]
        if self.with_ids and self.meant.phase == "here" and times:
            movement, when = f"M{self.sender.sent + 1}", self.random.choice(times)
            self._send("Z99", of=Zbe(movement, "UPDATE", "A03", at=when))
            self.deeds.append(Deed("leave", "", when, self.sender.sent, movement=movement))

    def cancel_leaving(self) -> None:
        newest = self._newest([deed for deed in self.deeds if deed.kind == "leave"])
        if newest is not None and newest is self.deeds[-1]:
            self._strike(newest)
            self._send("A13", self._place_after(), of=Zbe(newest.movement, "CANCEL", "A03"))

    def leave_at_another_time(self) -> None:
        """By a correction of what is still ahead."""
        waiting = [deed for deed in self.meant.waiting if deed.kind == "leave" and deed.movement]
        if waiting and self.deeds[-1] is waiting[0]:
            when = self._later()
            self._send("Z99", of=Zbe(waiting[0].movement, "UPDATE", "A03", at=when))
            waiting[0].happens_at = when

    def cancel_the_admission(self) -> None:
        if self.meant.phase != "gone":
            self._do("end", "", "A11")
            self.deeds[-1].movement = ""

    def update(self) -> None:
        self._send("A08", self.random.choice(PLACES))

    # -- what stands ----------------------------------------------------------------------------

    @property
    def _by(self) -> datetime:
        return max(self.now, self.sender.now)

    def _this_stay(self) -> list[Deed]:
        """Since the last admission or end, as told."""
        kinds = ("leave", "end", "admit")
        last = max((n for n, deed in enumerate(self.deeds) if deed.kind in kinds), default=-1)
        return self.deeds[last + 1 :]

    def _newest(self, deeds: list[Deed]) -> Deed | None:
        """Which one a cancel means that says nothing but what kind it cancels."""
        counts = [deed for deed in deeds if not any(_replaces(other, deed) for other in deeds)]
        return max(counts, key=lambda deed: _place(deed, self.sender.now), default=None)

    def _strike(self, wrong: Deed) -> None:
        """It never was, nor was it to be at the time that was said before."""
        self.deeds = [
            deed for deed in self.deeds if deed is not wrong and not _replaces(wrong, deed)
        ]

    def _place_after(self) -> str:
        """Where the patient is by now, as the record system writes it into PV1-3 of a cancel.

        It cannot say later that the patient had left before that.
        """
        self.was_placed_at = self.sender.now + timedelta(seconds=5)  # at most, until it is sent
        return self.meant.place


def _replaces(deed: Deed, earlier: Deed) -> bool:
    """Whether it says another time of what was still to happen."""
    if earlier.happens_at is None or deed.kind != earlier.kind or deed.number <= earlier.number:
        return False
    same = deed.kind in ("leave", "admit") or deed.ward == earlier.ward
    return same and deed.said_at < earlier.happens_at


def _place(deed: Deed, now: datetime) -> tuple[datetime, int, int]:
    """Where a deed stands among those that a cancel may mean."""
    if deed.happens_at is not None and deed.happens_at <= now:
        return (deed.happens_at, 0, deed.number)
    return (deed.said_at, 1, deed.number)


_DEEDS: list[Callable[[Day], None]] = [
    *[Day.mark] * 3, Day.unmark, Day.tell_a_lost_plan, Day.correct_a_plan, Day.book_an_outpatient,
    *[Day.move] * 3, Day.move_later, Day.arrive, Day.go_for_a_while, Day.depart,
    *[Day.cancel_a_movement] * 2, Day.cancel_any_movement, Day.correct_a_movement,
    Day.tell_of_the_past, Day.leave, Day.leave_later, Day.tell_a_lost_discharge,
    *[Day.cancel_leaving] * 2, Day.leave_at_another_time, Day.cancel_the_admission, Day.update,
]  # fmt: skip
