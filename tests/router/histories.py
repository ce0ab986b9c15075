"""Generated histories with a known end.

Two sources describe the same people: ``ehr`` in events, ``elvis`` in rows of snapshots. The truth
is plain bookkeeping of what was meant (who is marked for which ward and has not come, mistakes
struck from the list of what happened), and knows none of the router's rules. What is said
carries stamps in the order meant, often several in one second; how it arrives is another matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple, Protocol

from hypothesis import strategies as st

from router.core.fulfilment import FulfilledBy
from schemas.observation import Claims, Observation, What
from tests.router.saying import START, Source, in_charge, place

WARDS = ("W1", "W2", "W3")
PLACES = (*WARDS, "ER")
AUTHORITIES: tuple[tuple[str, ...], ...] = (
    ("ehr",),
    ("elvis",),
    ("ehr", "W1=elvis"),
    ("elvis", "W2=ehr"),
)
Awaited = Counter[tuple[str, str]]
"""(ward, person) -> by how many visits."""


class Teller(Protocol):
    """One visit at one source, and what is meant by it."""

    person: str
    source: Source

    def act(self, deed: int, number: int) -> Iterator[Observation]:
        """Do something (what, and to which ward), and say so."""
        ...

    @property
    def awaited_in(self) -> str | None:
        """The ward that waits for this visit."""
        ...


@dataclass
class Meant:
    """Where somebody is and where they should be, at the end of what really happened."""

    place: str | None = None
    mark: str | None = None
    gone: bool = False


class Deed(NamedTuple):
    """What was done, to which ward and when; of a move, by which id it is known."""

    verb: str
    ward: str
    at: datetime
    movement: str | None = None


def outcome(deeds: Sequence[Deed]) -> Meant:
    """What a list of deeds comes to, told as a coordinator would."""
    meant = Meant()
    for verb, ward, *_ in deeds:
        if verb == "leave":
            meant.gone = True
        elif verb == "undo all":
            meant = Meant(gone=True)
        elif verb == "unmark" or (verb == "was at" and ward == meant.mark):
            meant.mark = None
        elif verb == "was at":
            continue
        else:
            meant = Meant() if meant.gone else meant
            if verb == "mark":
                meant.mark = ward
            else:
                meant.place = ward
            if meant.mark == meant.place:
                meant.mark = None
    return meant


@dataclass
class EventVisit:
    """Told in events; mistakes are cancelled, with or without a movement's id, or told again."""

    person: str
    source: Source
    clock: Clock
    with_movements: bool
    deeds: list[Deed] = field(default_factory=list)
    said: int = 0

    @property
    def meant(self) -> Meant:
        return outcome(self.deeds)

    @property
    def awaited_in(self) -> str | None:
        return None if self.meant.gone else self.meant.mark

    def act(self, deed: int, number: int) -> Iterator[Observation]:
        ward, somewhere = WARDS[number % len(WARDS)], PLACES[number % len(PLACES)]
        self.said += 1
        if self.meant.gone and deed in (4, 5, 6, 7, 8):
            return
        if deed <= 1:
            yield from self._mark(ward)
        elif deed == 2:
            yield from self._mark_after_a_slip(ward)
        elif deed <= 4:
            yield from self._move(somewhere)
        elif deed == 5:
            yield from self._unmark(ward)
        elif deed in (6, 9, 11, 12):
            yield from self._correct(deed, number)
        elif deed == 7:
            yield self._do("leave", "", self.source.a03(self.clock.next()))
        elif deed == 8:
            yield self._do("undo all", "", self.source.a11(self.clock.next()))
        else:
            yield self.source.a08(self.clock.next(), expected_at=START + timedelta(hours=number))

    def _correct(self, deed: int, number: int) -> Iterator[Observation]:
        if deed == 6:
            yield from self._undo_move()
        elif deed == 9:
            yield from self._undo_leaving()
        elif deed == 11:
            yield from self._tell_a_move_again(PLACES[number % len(PLACES)])
        else:
            yield from self._tell_of_the_past(WARDS[number % len(WARDS)], number)

    def _do(self, verb: str, ward: str, said: Observation) -> Observation:
        movement = said.movement.id if said.movement else None
        self.deeds.append(Deed(verb, ward, said.stamp.at, movement))
        return said

    def _mark(self, ward: str) -> Iterator[Observation]:
        yield self._do("mark", ward, self.source.a14(ward, self.clock.next()))

    def _mark_after_a_slip(self, ward: str) -> Iterator[Observation]:
        wrong = self.source.a14("SLIP", self.clock.next())
        yield wrong
        right = wrong.model_copy(update={"revision": 1, "claims": Claims(mark=place(ward))})
        yield self._do("mark", ward, right)

    def _move(self, to: str) -> Iterator[Observation]:
        if self.meant.gone:
            yield self._do("admit", to, self.source.a01(to, self.clock.next()))
            return
        movement = f"{self.source.visit}-{self.said}" if self.with_movements else None
        yield self._do("move", to, self.source.a02(to, self.clock.next(), movement))

    def _unmark(self, ward: str) -> Iterator[Observation]:
        names_another = self.meant.mark is not None and ward != self.meant.mark
        said = self.source.a27(ward if names_another else None, self.clock.next())
        yield said if names_another else self._do("unmark", "", said)

    def _undo_move(self) -> Iterator[Observation]:
        if self._moves:
            undone = self.deeds.pop(self._moves[-1])
            yield self.source.a12(self.meant.place, self.clock.next(), undone.movement)

    def _tell_a_move_again(self, to: str) -> Iterator[Observation]:
        if self._moves and self.with_movements:
            at = self._moves[self.said % len(self._moves)]
            deed = self.deeds[at]
            self.deeds[at] = deed._replace(ward=to)
            yield self.source.retold(deed.movement or "", to, self.clock.next(), past=deed.at)

    def _tell_of_the_past(self, ward: str, number: int) -> Iterator[Observation]:
        if self.deeds and not self.meant.gone:
            then = self.deeds[number % len(self.deeds)].at
            said = self.source.retold(f"{self.source.visit}-{self.said}", ward, self.clock.next(),
                                      action="insert", past=then)  # fmt: skip
            before = sum(deed.at <= then for deed in self.deeds)
            self.deeds.insert(before, Deed("was at", ward, then))
            yield said

    @property
    def _moves(self) -> list[int]:
        """Where the moves since the last admission stand among the deeds."""
        ends = [n for n, deed in enumerate(self.deeds) if deed.verb in ("leave", "undo all")]
        start = ends[-1] + 1 if ends else 0
        return [n for n in range(start, len(self.deeds)) if self.deeds[n].verb == "move"]

    def _undo_leaving(self) -> Iterator[Observation]:
        if self.deeds and self.deeds[-1].verb == "leave":
            self.deeds.pop()
            yield self.source.a13(self.meant.place, self.clock.next())


@dataclass
class RowVisit:
    """Told in rows: each says where somebody lies and is marked for, and nothing else counts."""

    person: str
    source: Source
    clock: Clock
    twin: EventVisit
    row: tuple[str | None, str | None] = (None, None)

    @property
    def awaited_in(self) -> str | None:
        lies, marked = self.row
        return marked if marked != lies else None

    def act(self, deed: int, number: int) -> Iterator[Observation]:
        if deed == 7:
            self.row = (None, None)
            yield self.source.observe(What.DISCHARGED, at=self.clock.next())
            return
        if deed <= 4:  # agree with the other source
            meant = self.twin.meant
            self.row = (None, None) if meant.gone else (meant.place, meant.mark)
        else:
            lies = PLACES[(number + deed) % len(PLACES)]
            self.row = (lies, WARDS[number % len(WARDS)] if deed % 2 else None)
        yield self.source.row(*self.row, at=self.clock.next())


@dataclass
class Clock:
    """Ticks in whole seconds, and not with every statement: HL7's do not either."""

    at: datetime = START
    pauses: tuple[int, ...] = (0, 1, 0, 0, 2)
    ticks: int = 0

    def next(self) -> datetime:
        self.ticks += 1
        self.at += timedelta(seconds=self.pauses[self.ticks % len(self.pauses)])
        return self.at


@dataclass
class History:
    """What was said, in the order meant, and what is true when all is said."""

    said: list[Observation]
    tellers: list[Teller]
    merged: bool
    fulfilled_by: FulfilledBy = "place"

    def person(self, source: str, visit: str) -> str:
        """Who a visit is: a real person, whatever the number."""
        found = next(t for t in self.tellers if (t.source.name, t.source.visit) == (source, visit))
        return self._real(found.person)

    def _real(self, person: str) -> str:
        return "p0" if self.merged and person == "p1" else person

    def awaited_by(self, source: str) -> Awaited:
        """Who is awaited where, if this source is believed."""
        return Counter(
            (ward, self._real(teller.person))
            for teller in self.tellers
            if teller.source.name == source and (ward := teller.awaited_in) is not None
        )

    def awaited(self, believed: Sequence[str]) -> Awaited:
        """Who is awaited where, each ward by whom it believes (as in :data:`AUTHORITIES`)."""
        rules = dict(reversed(rule.rpartition("=")[::2]) for rule in believed)  # source -> ward
        by_ward = {ward: source for source, ward in rules.items()}
        return Counter(
            {
                (ward, person): count
                for source in ("ehr", "elvis")
                for (ward, person), count in self.awaited_by(source).items()
                if by_ward.get(ward, by_ward[""]) == source
            }
        )


@st.composite
def histories(draw: st.DrawFn, *, agreeing: bool = False) -> History:
    """One to three people, each with visits at both sources, told interleaved.

    Hypothesis draws the sizes and a seed: left to draw each deed, it tells mostly short stories.
    ``agreeing``: in the end each row says what the events of its twin come to. Half of them tell
    which ward is responsible where the others tell the place, and the place at random.
    """
    clock, people = Clock(), draw(st.integers(1, 3))
    deeds, random = draw(st.integers(4, 40)), Random(draw(st.integers(0, 2**64)))
    tellers: list[Teller] = []
    for n in range(people):
        tellers += _visits_of(
            f"p{n}", clock, with_movements=draw(st.booleans()), counts=draw(st.booleans())
        )
    said: list[Observation] = []
    for _ in range(deeds):
        said += random.choice(tellers).act(random.randint(0, 12), random.randint(0, 11))
    if agreeing:
        said += [row for teller in tellers[1::3] for row in teller.act(0, 0)]
    merged = people > 1 and not agreeing and draw(st.booleans())
    if merged:
        names = draw(st.sampled_from([("ehr",), ("elvis",), ("ehr", "elvis")]))
        said += [Source(name, patient="p1").a40("p0", clock.next()) for name in names]
    if draw(st.booleans()):
        return History(said, tellers, merged)
    said = [in_charge(each, lies=random.choice(PLACES)) for each in said]
    return History(said, tellers, merged, "responsible")


def _visits_of(person: str, clock: Clock, *, with_movements: bool, counts: bool) -> list[Teller]:
    def source(name: str, visit: str) -> Source:
        return Source(name, f"{person}-{visit}", person, counts=counts)

    first = EventVisit(person, source("ehr", "a"), clock, with_movements)
    second = EventVisit(person, source("ehr", "b"), clock, with_movements)
    row = RowVisit(person, source("elvis", "e"), clock, first)
    return [first, row, second]
