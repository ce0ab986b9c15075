"""What really happened to one patient, as a coordinator would keep it on paper.

Deeds stand in a list; a mistake is struck from it, a correction rewritten in its place. What is planned
for later happens when its time comes, if nothing came in between. None of the router's code is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["mark", "book", "unmark", "admit", "move", "arrive", "was at", "leave", "end"]


@dataclass
class Deed:
    """Something that was done, when it was said, and when it happens if that is later."""

    kind: Kind
    ward: str
    said_at: datetime
    number: int
    happens_at: datetime | None = None
    movement: str = ""

    def has_happened(self, by: datetime) -> bool:
        return self.happens_at is None or self.happens_at <= by


@dataclass
class Patient:
    """Where somebody is and should be."""

    phase: Literal["unknown", "planned", "here", "gone"] = "unknown"
    place: str = ""
    mark: str = ""
    waiting: list[Deed] = field(default_factory=list)

    @property
    def awaited_in(self) -> str:
        return "" if self.phase == "gone" else self.mark

    # -- what is done ---------------------------------------------------------------------------

    def plan(self, deed: Deed) -> None:
        """It is said, and is to happen later."""
        if self.phase == "unknown":
            self.phase = "planned"
        same = {"leave", "admit"}
        self.waiting = [
            each
            for each in self.waiting
            if each.kind != deed.kind or (deed.kind not in same and each.ward != deed.ward)
        ]
        self.waiting.append(deed)

    def do(self, deed: Deed, *, was_planned: bool = False) -> None:
        if deed.kind in ("mark", "book"):
            self._plan_stay()
            self.mark = self.mark if deed.kind == "book" else deed.ward
            self.mark = "" if self.mark == self.place else self.mark
        elif deed.kind == "unmark":
            if deed.ward in ("", self.mark) and self.phase != "gone":
                self.mark = ""
        elif deed.kind == "was at":
            if deed.ward == self.mark and self.phase != "gone":
                self.mark = ""
        elif deed.kind in ("leave", "end"):
            self._leave(deed, was_planned=was_planned)
        else:
            self._go(deed, was_planned=was_planned)

    def _plan_stay(self) -> None:
        if self.phase == "gone":
            self.place, self.mark, self.phase = "", "", "planned"
        if self.phase == "unknown":
            self.phase = "planned"

    def _leave(self, deed: Deed, *, was_planned: bool) -> None:
        to_come = [each for each in self.waiting if each.kind == "admit"]
        if deed.kind == "end" and self.phase == "here" and to_come:
            self.waiting = [each for each in self.waiting if each.kind != "admit"]
            return
        if not was_planned:
            self.waiting = []
        if self.phase != "gone":
            self.place = ""
        self.phase = "gone"
        if deed.kind == "end":
            self.mark = ""

    def _go(self, deed: Deed, *, was_planned: bool) -> None:
        if deed.kind == "admit":
            was_here = self.phase in ("here", "gone")
            if not was_planned:
                gone = {"admit", "leave"} if was_here else {"admit"}
                self.waiting = [each for each in self.waiting if each.kind not in gone]
            if self.phase == "gone":
                self.place, self.mark = "", ""
        elif self.phase == "gone":
            return
        if deed.ward != self.place and not was_planned:
            moves = ("admit", "move", "arrive")
            self.waiting = [e for e in self.waiting if e.kind not in moves or e.ward != deed.ward]
        self.phase, self.place = "here", deed.ward
        if self.mark == self.place:
            self.mark = ""


def outcome(deeds: list[Deed], now: datetime, last_said: datetime) -> Patient:
    """What the deeds come to. What somebody says later shows that an earlier time has passed."""
    patient, by = Patient(), max(now, last_said)
    moments: list[tuple[datetime, int, int, Deed]] = []
    for deed in deeds:
        moments.append((deed.said_at, 1, deed.number, deed))
        if deed.happens_at is not None and deed.has_happened(by):
            moments.append((deed.happens_at, 0, deed.number, deed))
    for _, order, _, deed in sorted(moments, key=lambda each: each[:3]):
        if order == 1 and deed.happens_at is not None:
            patient.plan(deed)
        elif deed.happens_at is None:
            patient.do(deed)
        elif deed in patient.waiting:
            patient.waiting.remove(deed)
            patient.do(deed, was_planned=True)
    return patient
