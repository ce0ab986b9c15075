"""Two record systems that know nothing of each other and use the same numbers, visits and ward codes.

Each is told of by messages in the order of its one connection, half of all pairs within one second. The truth is
plain bookkeeping: who each person is, whom a message was meant to be about, and what happened; it knows numbers only
to write them into messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.ward import Ward, WardRegister

SOURCES: Final = ("north", "south")
CODES: Final = ("52", "53", "54")
ZONE: Final = ZoneInfo("Europe/Stockholm")
START: Final = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - on the wall
PERSONNUMMER: Final = ("200001012384", "200001012392", "200006012389", "200006012397")
REGISTER: Final = WardRegister(
    Ward(id=f"{source}-{code}", name=code, hospital=source, aliases={source: (code,)})
    for source in SOURCES
    for code in CODES
)


@dataclass(eq=False)
class Person:
    """Somebody at one source. ``numbers`` are known by now; ``became``: whom they were merged into."""

    name: str
    numbers: list[str]
    became: Person | None = None
    marked: bool = False

    @property
    def now(self) -> Person:
        return self.became.now if self.became else self


class Sent(NamedTuple):
    """A message, and when it was sent."""

    message: bytes
    at: datetime


class Event(NamedTuple):
    """What was meant by one message about a visit."""

    kind: str
    about: Person
    visit: str
    ward: str


@dataclass
class Stay:
    """What the events of a visit come to."""

    whose: Person
    mark: str = ""
    place: str = ""
    ended: bool = False

    def happen(self, event: Event) -> None:
        if event.kind == "A03":
            self.ended = True
        elif event.kind in {"A14", "A15", "A01"}:
            if self.ended:
                self.mark, self.place = "", ""
            self.ended = False
        if not self.ended:
            self._place(event)

    def _place(self, event: Event) -> None:
        if event.kind in {"A14", "A15"}:
            self.mark = event.ward
        elif event.kind == "A27" and event.ward in {"", self.mark}:
            self.mark = ""
        elif event.kind in {"A01", "A02"}:
            self.place = event.ward
        if self.mark == self.place:
            self.mark = ""

    @property
    def awaited_in(self) -> str:
        return "" if self.ended else self.mark


@dataclass
class RecordSystem:
    """One source, its people and what it sends. ``corrects``: its A08 says whose a visit is."""

    source: str
    random: Random
    corrects: bool
    people: list[Person] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    now: datetime = START
    _visits: dict[str, Person] = field(default_factory=dict)
    _numbers: int = 0

    def act(self) -> None:
        """Do something that record systems do, and send what they send."""
        kinds = [*_DEEDS, *_DEEDS[:4]]
        deed = self.random.choice(kinds if self.people else [RecordSystem._register])
        before = len(self.sent)
        deed(self)
        if len(self.sent) > before:
            self.did[deed.__name__.strip("_")] += 1

    def awaited(self) -> dict[str, tuple[str, Person]]:
        """Visit -> the ward that waits, and for whom."""
        stays = {visit: self.stay(visit) for visit in self._visits}
        return {
            visit: (f"{self.source}-{stay.awaited_in}", stay.whose.now)
            for visit, stay in stays.items()
            if stay.awaited_in
        }

    def stay(self, visit: str) -> Stay:
        """Of what was meant of the visit, what counts: all about whose it is, by all merges there ever were."""
        events = [event for event in self.events if event.visit == visit]
        stay = Stay(events[0].about)
        for event in events:
            if self.corrects and event.kind == "A08":
                stay.whose = event.about
            if event.about.now is stay.whose.now:
                stay.happen(event)
        return stay

    # -- deeds ----------------------------------------------------------------------------------

    def _register(self) -> None:
        """A person with one number of their own, or with two."""
        if len(self.people) >= 5:
            return
        numbers = [self._new_number(0)]
        free = set(PERSONNUMMER) - {n for each in self.people for n in each.numbers}
        if free and self.random.random() < 0.5:
            numbers.append(self.random.choice(sorted(free)))
        person = Person(f"{self.source.title()}{len(self.people)}", numbers)
        self.people.append(person)
        self._say("A31", person, numbers)

    def _another_number(self) -> None:
        """A number is given, and told beside one that is known."""
        person = self._anybody()
        if len(person.numbers) < len(_TYPES):
            new = self._new_number(len(person.numbers))
            self._say("A31", person, [self.random.choice(person.numbers), new])
            person.numbers.append(new)

    def _protect(self) -> None:
        if self.random.random() < 0.2:
            person = self._anybody()
            person.marked = True
            self._say("A31", person, self._some(person.numbers), "PD1||||||||||||Y")

    def _plan(self) -> None:
        visit = self.random.choice([*self._visits, f"{1001 + len(self._visits)}"])
        person = self._visits.setdefault(visit, self._anybody())
        kind = self.random.choice(("A14", "A14", "A15"))
        self._do(kind, person, visit, self.random.choice(CODES))

    def _cancel(self) -> None:
        if self._visits:
            visit, person = self._any_visit()
            self._do("A27", person, visit, self.random.choice(("", *CODES)))

    def _move(self) -> None:
        if self._visits:
            visit, person = self._any_visit()
            self._do(self.random.choice(("A01", "A02")), person, visit, self.random.choice(CODES))

    def _discharge(self) -> None:
        if self._visits and self.random.random() < 0.3:
            visit, person = self._any_visit()
            self._do("A03", person, visit, "")

    def _mistake(self) -> None:
        """A message about a visit that names somebody else; or that corrects whose it is."""
        if self._visits:
            visit, _ = self._any_visit()
            person = self._anybody()
            kind = "A08" if self.corrects else self.random.choice(("A08", "A14", "A15", "A02"))
            self._do(kind, person, visit, "" if kind == "A08" else self.random.choice(CODES))
            if self.corrects:
                self._visits[visit] = person

    def _merge(self) -> None:
        one, other = self._anybody(), self._anybody()
        if one is other or self.random.random() < 0.6:
            return
        ceasing = "~".join(self._some(one.numbers))
        self._say("A40", other, self._some(other.numbers), f"MRG|{ceasing}")
        one.became = other

    def _repeat(self) -> None:
        """The same again, under another control id and message time."""
        if self.sent:
            again = self.random.choice(self.sent)
            head, _, body = again.message.partition(b"\r")
            self._later()
            self._send(self._header(head.split(b"|")[8].decode()[4:7]) + "\r" + body.decode())

    # -- messages -------------------------------------------------------------------------------

    def _do(self, kind: str, person: Person, visit: str, code: str) -> None:
        self.events.append(Event(kind, person, visit, code))
        pv1 = [""] * 43
        pv1[0], pv1[1], pv1[2], pv1[19] = "PV1", "1", "I", visit
        pv1[3 if kind in {"A01", "A02"} else 42] = code
        meant = [each for each in self.people if each.now is person.now]
        self._say(kind, person, self._some(self.random.choice(meant).numbers), "|".join(pv1))

    def _say(self, kind: str, person: Person, numbers: list[str], *more: str) -> None:
        self._later()
        when = f"{self.now:%Y%m%d%H%M%S}"
        who = "~".join(numbers)
        lines = (
            self._header(kind),
            f"EVN|{kind}|{when}",
            f"PID|1||{who}||{person.now.name}^{len(self.sent)}",
            *more,
        )
        self._send("\r".join(lines) + "\r")

    def _header(self, kind: str) -> str:
        when = f"{self.now:%Y%m%d%H%M%S}"
        return f"MSH|^~\\&|HIS|{self.source}|WB|WB|{when}||ADT^{kind}|{len(self.sent)}|P|2.5"

    def _send(self, message: str) -> None:
        self.sent.append(Sent(message.encode(), self.now.replace(tzinfo=ZONE).astimezone(UTC)))

    def _later(self) -> None:
        self.now += timedelta(seconds=self.random.choice((0, 1)))

    def _anybody(self) -> Person:
        return self.random.choice([person for person in self.people if not person.became])

    def _any_visit(self) -> tuple[str, Person]:
        visit = self.random.choice(list(self._visits))
        return visit, self._visits[visit]

    def _some(self, numbers: list[str]) -> list[str]:
        return self.random.sample(numbers, self.random.randint(1, min(2, len(numbers))))

    def _new_number(self, which: int) -> str:
        """A local number without assigner, of a type that the person's others are not."""
        self._numbers += 1
        return f"{4710 + self._numbers}^^^^{_TYPES[which]}"


_TYPES: Final = ("MR", "PI", "PT")
_DEEDS: Final = (
    RecordSystem._plan,
    RecordSystem._cancel,
    RecordSystem._move,
    RecordSystem._another_number,
    RecordSystem._register,
    RecordSystem._protect,
    RecordSystem._discharge,
    RecordSystem._mistake,
    RecordSystem._merge,
    RecordSystem._repeat,
)


def protected(systems: Iterable[RecordSystem], person: Person) -> bool:
    """Whether anybody at any source who is the same person is marked: merged, or of the same personnummer."""
    everybody = [each for system in systems for each in system.people]
    found, waiting = [person], [person]
    while waiting:
        one = waiting.pop()
        fresh = [each for each in everybody if each not in found and _is_same(one, each)]
        found += fresh
        waiting += fresh
    return any(each.marked for each in found)


def _is_same(one: Person, other: Person) -> bool:
    shared = set(one.numbers).intersection(other.numbers, PERSONNUMMER)
    return bool(shared) or one.now is other.now
