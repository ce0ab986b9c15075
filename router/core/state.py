"""The router's state of one partition: rows of topic ``state``, and indexes over them.

Kinds of row, each keyed by the realm, the kind and what it is about:

* ``fact``: source, visit, patient, marked ward, observation id. Patient and ward stand in the key
  so that restart can index a million rows without parsing one.
* ``merge``, ``number``, ``spoken`` and ``crowded``: source, and what ``bonds`` says.
* ``person``: source, patient, observation id.
* ``told``: source, visit, ward: an announced designation; stays when it closes, while its visit is kept,
  because its version must go on from there.
* ``ward``: ward: the sequence number of its last notification, and the highest version that is not kept any more.
* ``authority``, ``clock`` and ``seen``: one each: the last tick, and how far time is believed to have passed.
* ``withheld`` and ``reviewed``: see ``review``.
* ``due``, ``behind`` and ``early``: see ``due``. ``backlog`` and ``register``: see ``backlog``.

Visits are parsed and folded when first touched. The indexes by patient and by ward hold every
visit that ever named them, so what they find is checked against the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from router.core.backlog import WardBacklog
from router.core.clock import Clock
from router.core.designations import Announced, Name
from router.core.due import DUE, Agenda
from router.core.effective_authority import EffectiveAuthority
from router.core.facts import Fact
from router.core.fulfilment import BY_PLACE, Fulfilment
from router.core.held_visit import Visit, marked
from router.core.keys import VisitKey, bare_number, joined
from router.core.long_visits import LongVisits
from router.core.numbers import Numbers
from router.core.people import NumbersStatement
from schemas.authority import Authority

BELIEVED_AHEAD: Final = timedelta(days=1)
"""How far a receipt may be ahead of the ticks, which may have stopped, to count for what is too old."""
MAX_VISITS: Final = 500
"""Visits of one patient that are kept at once, of all sources and by all numbers: somebody who comes every day for a
year and a half. Each of them is looked at when anything is said of the patient. A visit or an event that would be one
more is set aside; a merge or a statement that would make more one patient's ties nothing."""
ANNOUNCED: Final = TypeAdapter(Announced)


class WardCount(NamedTuple):
    """The sequence number of a ward's last notification, and the highest version of what is not kept any more."""

    sequence: int
    used: int


class Unswept(NamedTuple):
    """What retention has still to look at in this round."""

    visits: list[VisitKey]
    persons: list[tuple[str, str]]
    numbers: list[tuple[str, str]]


class Realm:
    """The state of one realm."""

    def __init__(self, name: str, fulfilment: Fulfilment = BY_PLACE) -> None:
        self.name = name
        self._fulfilment = fulfilment
        self.visits: dict[VisitKey, Visit] = {}
        self.by_patient: dict[str, tuple[VisitKey, ...]] = {}
        self.by_ward: dict[str, set[VisitKey]] = {}
        self.numbers: dict[str, Numbers] = {}
        self.persons: dict[str, dict[str, dict[str, bytes]]] = {}
        self.told: dict[Name, Announced] = {}
        self.open_of: dict[str, set[Name]] = {}
        self.open_at: dict[str, set[Name]] = {}
        self.wards: dict[str, WardCount] = {}
        self.authority: Authority | None = None
        self.clock: datetime | None = None
        self.seen: Clock | None = None
        self.doubted_since: datetime | None = None
        self.withheld: dict[str, str] = {}
        self.reviewed_at: datetime | None = None
        self.agenda = Agenda()
        self._long_visits = LongVisits()
        self.believed = EffectiveAuthority(None, None)
        self.unswept = Unswept([], [], [])
        self.backlog = WardBacklog()
        self.reading: str | None = None
        self.is_read = False
        self._with_assigner: dict[VisitKey, tuple[VisitKey, ...]] = {}
        self._told_at: dict[VisitKey, tuple[str, ...]] = {}
        self._sources: dict[str, str] = {}

    def key(self, kind: str, *about: str) -> str:
        """The key of a row."""
        return joined(self.name, kind, *about)

    def fact_key(self, visit: Visit, fact: Fact) -> str:
        """The key of a fact's row."""
        return self.key("fact", visit.source, visit.visit, fact.patient, marked(fact), fact.id)

    def index(self, visit: Visit, patient: str, ward: str) -> None:
        """Find the visit by this patient and this marked ward (empty: none) from now on."""
        at = visit.at
        visit.name(patient)
        others = self.by_patient.get(patient, ())
        if at not in others:
            self.by_patient[patient] = (*others, at)
        if ward:
            self.by_ward.setdefault(ward, set()).add(at)

    def due_row(self, visit: Visit, fact: Fact) -> bytes | None:
        """The visit's row of what takes effect by itself, where the fact changes it."""
        return self.agenda.add(visit.at, fact.occurs) if fact.occurs and fact.lies_ahead else None

    def visit(self, at: VisitKey) -> Visit:
        """The visit, new if it was not known."""
        return self.visits.get(at) or self._new_visit(*at)

    def _new_visit(self, source: str, number: str) -> Visit:
        source = self._sources.setdefault(source, source)  # a hundred thousand share one string
        visit = Visit(source, number, self._fulfilment, self.numbers_of(source), self.agenda,
                      long_visits=self._long_visits)  # fmt: skip
        self.visits[visit.at] = visit
        bare = (source, bare_number(number))
        if bare != visit.at:
            self._with_assigner[bare] = (*self._with_assigner.get(bare, ()), visit.at)
        return visit

    def numbered(self, source: str, number: str) -> Iterator[Visit]:
        """The source's visits of a number, which is given without assigner, whoever gave it."""
        bare = (source, number)
        if bare in self.visits:
            yield self.visits[bare]
        yield from map(self.visits.__getitem__, self._with_assigner.get(bare, ()))

    def unindex(self, visit: Visit, held: Fact) -> None:
        """Find the visit no longer by what only a fact said that is not held any more."""
        facts = list(visit.facts())
        if not any(fact.patient == held.patient for fact in facts):
            visit.patients = tuple(each for each in visit.patients if each != held.patient)
            self._forget_patient(visit, held.patient)
        if not any(marked(fact) == marked(held) for fact in facts):
            self._forget_ward(visit, marked(held))

    def drop(self, visit: Visit) -> list[str]:
        """Forget a visit; the keys of its rows."""
        facts = list(visit.facts())
        for fact in facts:
            self._forget_patient(visit, fact.patient)
            self._forget_ward(visit, marked(fact))
        del self.visits[visit.at]
        self._forget_number(visit)
        keys = [self.fact_key(visit, fact) for fact in facts]
        return [*keys, self.key(DUE, *visit.at)] if self.agenda.drop(visit.at) else keys

    def _forget_number(self, visit: Visit) -> None:
        bare = (visit.source, bare_number(visit.visit))
        others = self._with_assigner.pop(bare, ())
        if others := tuple(at for at in others if at != visit.at):
            self._with_assigner[bare] = others

    def _forget_patient(self, visit: Visit, patient: str) -> None:
        others = self.by_patient.pop(patient, ())
        if others := tuple(at for at in others if at != visit.at):
            self.by_patient[patient] = others

    def _forget_ward(self, visit: Visit, ward: str) -> None:
        marked_there = self.by_ward.get(ward, set())
        marked_there.discard(visit.at)
        if not marked_there:
            self.by_ward.pop(ward, None)

    def numbers_of(self, source: str) -> Numbers:
        """Whose the source's numbers are."""
        found = self.numbers.get(source)
        if found is None:
            said = partial(self._said_in_visits, source)
            found = self.numbers[source] = Numbers(said, self._are_of_many_visits)
        return found

    def _are_of_many_visits(self, numbers: Iterable[str]) -> bool:
        """Whether, of one patient, these would have more visits than anybody has."""
        return self.visits_by(numbers) > MAX_VISITS

    def _said_in_visits(self, source: str, owner: str) -> Iterator[NumbersStatement]:
        """What the source's kept visits say of a patient's other numbers."""
        for at in self.by_patient.get(owner, ()):
            if at[0] == source:
                for fact in self.visits[at].facts():
                    if fact.patient == owner and fact.others:
                        yield NumbersStatement(fact.order, owner, fact.others)

    def has_many_visits(self, source: str, patient: str) -> bool:
        """Whether the patient, as the source knows them, has as many visits in all sources as nobody has."""
        numbers = self.numbers_of(source)
        if patient not in self.by_patient and not numbers.bonds.is_bound(patient):
            return False  # nearly always
        resolved, members = numbers.resolve(patient), {patient}
        for each in self.numbers.values():
            members |= each.members(resolved)
        return self.visits_by(members) >= MAX_VISITS

    def visits_by(self, numbers: Iterable[str]) -> int:
        """How many visits of all sources name these numbers; one that names several counts for each."""
        return sum(len(self.by_patient.get(number, ())) for number in numbers)

    def person(self, source: str, patient: str) -> dict[str, bytes]:
        """Rows of what the source said about the patient apart from any visit, by id."""
        return self.persons.setdefault(source, {}).setdefault(patient, {})

    def forget_person(self, source: str, patient: str) -> None:
        """There are no such rows any more."""
        del self.persons[source][patient]

    def everyone_described(self) -> list[tuple[str, str]]:
        """Every source and patient of whom there are such rows."""
        return [(source, patient) for source, each in self.persons.items() for patient in each]

    def every_number(self) -> list[tuple[str, str]]:
        """Every source and number that anything is kept of."""
        return [
            (source, number)
            for source, numbers in self.numbers.items()
            for number in numbers.bonds.everyone()
        ]

    def keeps(self, number: str) -> bool:
        """Whether a visit, a mark or an open designation of the number is kept, by whichever source."""
        if number in self.by_patient or number in self.open_of:
            return True
        return any(number in persons for persons in self.persons.values())

    def is_known(self, source: str, number: str) -> bool:
        """Whether the source says anything of the number that is kept."""
        if self.numbers_of(source).bonds.is_held(number):
            return True
        return any(at[0] == source for at in self.by_patient.get(number, ()))

    def patient_of(self, visit: Visit) -> str:
        """Whom the visit is about, as its own source has merged them."""
        return visit.numbers.resolve(visit.fold().patient)

    def tell(self, name: Name, announced: Announced) -> None:
        """Keep what a ward was told, and whose it is while it is open."""
        before = self.told.get(name)
        if before is None:
            at = (name.source, name.visit)
            self._told_at[at] = (*self._told_at.get(at, ()), name.ward)
        elif before.backing is not None:
            _discard(self.open_of, before.terms.patient, name)
            _discard(self.open_at, name.ward, name)
        self.told[name] = announced
        if announced.backing is not None:
            self.open_of.setdefault(announced.terms.patient, set()).add(name)
            self.open_at.setdefault(name.ward, set()).add(name)

    def told_of(self, at: VisitKey) -> list[Name]:
        """What was ever told of a visit, of what is kept."""
        return [Name(*at, ward) for ward in self._told_at.get(at, ())]

    def is_announced(self, at: VisitKey) -> bool:
        """Whether a ward is told that somebody comes by this visit, whichever visit backs that by now."""
        return any(self.told[name].backing is not None for name in self.told_of(at))

    def forget_told(self, name: Name) -> None:
        """Keep of a closed designation only that its versions were used."""
        version, at = self.told.pop(name).version, (name.source, name.visit)
        left = tuple(ward for ward in self._told_at[at] if ward != name.ward)
        if left:
            self._told_at[at] = left
        else:
            del self._told_at[at]
        count = self.count_of(name.ward)
        self.wards[name.ward] = count._replace(used=max(count.used, version))

    def count_of(self, ward: str) -> WardCount:
        """How far the ward's numbers were used."""
        return self.wards.get(ward, WardCount(0, 0))

    def ward_row(self, ward: str) -> bytes:
        """That, as the ward's row of state."""
        return "{} {}".format(*self.count_of(ward)).encode()

    def horizon(self, told_at: datetime, keep: timedelta) -> datetime:
        """What is older is not kept; a clock that is far ahead of the time that has passed makes nothing older."""
        if self.seen is not None:
            told_at = min(told_at, self.seen.at + BELIEVED_AHEAD)
        return told_at - keep

    def believe(self) -> None:
        """Look up anew who is believed."""
        self.believed = EffectiveAuthority(self.authority, self.seen.at if self.seen else None)


def _discard(index: dict[str, set[Name]], key: str, name: Name) -> None:
    names = index[key]
    names.discard(name)
    if not names:
        del index[key]
