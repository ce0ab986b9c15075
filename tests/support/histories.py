"""Histories of ADT messages with a known end: what each ward's list must be when all is said.

Each visit is told in order by one sender. The truth is kept by the plainest possible
bookkeeping of intent (who is marked for which ward and has not come), never by the router's
rules, so that the two can disagree.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

WARDS = tuple(f"W{n}" for n in range(1, 9))
WAITING_AREA = "AKM"


@dataclass
class Visit:
    """One stay as the generator means it."""

    number: str
    at: datetime
    place: str = WAITING_AREA
    mark: str | None = None
    gone: bool = False
    script: list[str] = field(default_factory=list)


def message(visit: Visit, event: str, control_id: str, *, ward: str = "") -> bytes:
    """An ADT message. ``ward`` is PV1-42 (marks) or PV1-3 (movements say ``visit.place``)."""
    at = visit.at.strftime("%Y%m%d%H%M%S+0000")
    pv1 = [""] * 45
    pv1[2], pv1[3], pv1[19], pv1[42] = "I", f"{visit.place}^1^A", visit.number, ward
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|NORR|WB|REG|{at}||ADT^{event}|{control_id}|P|2.5.1|||||SWE|UNICODE UTF-8",
            f"EVN||{at}",
            f"PID|||P{visit.number}^^^LAB^MR||Åström^Örjan",
            "PV1|" + "|".join(pv1[1:]),
            "",
        )
    ).encode()


class Histories:
    """An endless, seeded stream of messages over growing numbers of visits."""

    def __init__(self, seed: int, name: str, steps: int = 6, wards: Sequence[str] = WARDS) -> None:
        self._random = random.Random(seed)
        self._name = name
        self._steps = steps
        self._wards = wards
        self._count = 0
        self.visits: list[Visit] = []

    def open_designations(self) -> set[tuple[str, str]]:
        """(ward, visit) of everyone marked and not there, by the generator's own account."""
        return {
            (visit.mark, visit.number)
            for visit in self.visits
            if visit.mark is not None and not visit.gone
        }

    def visit(self) -> Iterator[bytes]:
        """The messages of one more visit; its truth counts once all of them were acknowledged."""
        number = f"{self._name}-{len(self.visits)}"
        visit = Visit(number, datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))
        yield self._say(visit, "A04")
        for _ in range(self._random.randint(1, self._steps)):
            visit.at += timedelta(seconds=self._random.randint(1, 300))
            yield self._next(visit)
            if visit.gone:
                break
        self.visits.append(visit)

    def _next(self, visit: Visit) -> bytes:
        choice = self._random.random()
        if visit.mark is None or choice < 0.25:
            return self._mark(visit)
        if choice < 0.55:
            return self._move(visit, visit.mark)
        if choice < 0.7:
            return self._move(visit, WAITING_AREA if visit.place != WAITING_AREA else "X-RAY")
        if choice < 0.9:
            return self._unmark(visit)
        visit.gone = True
        return self._say(visit, "A03")

    def _mark(self, visit: Visit) -> bytes:
        wards = [ward for ward in self._wards if ward not in (visit.place, visit.mark)]
        visit.mark = self._random.choice(wards)
        return self._say(visit, "A15", ward=visit.mark)

    def _move(self, visit: Visit, place: str) -> bytes:
        visit.place = place
        if place == visit.mark:
            visit.mark = None
        return self._say(visit, "A02")

    def _unmark(self, visit: Visit) -> bytes:
        visit.mark = None
        return self._say(visit, "A26")

    def _say(self, visit: Visit, event: str, *, ward: str = "") -> bytes:
        self._count += 1
        visit.script.append(f"{event} {ward or visit.place}")
        return message(visit, event, f"{self._name}-{self._count}", ward=ward)
