"""The router's state of one partition: rows of topic ``state``, and indexes over them.

Kinds of row, each keyed by the realm, the kind and what it is about:

* ``fact``: source, visit, patient, marked ward, observation id. Patient and ward stand in the key
  so that restart can index a million rows without parsing one.
* ``merge``, ``number`` and ``crowded``: source, and what ``bonds`` says.
* ``person``: source, patient, observation id.
* ``told``: source, visit, ward: an announced designation; stays when it closes, because its
  version must go on from there.
* ``ward``: ward: the sequence number of its last notification.
* ``authority`` and ``clock``: one each. ``due`` and ``behind``: see ``due``.

Visits are parsed and folded when first touched. The indexes by patient and by ward hold every
visit that ever named them, so what they find is checked against the fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import TypeAdapter

from router.core.believed import Believed
from router.core.bonds import KEPT_MERGE
from router.core.designations import Announced, Name
from router.core.due import BEHIND, DUE, Agenda
from router.core.facts import Fact, microseconds, parsed, row_of
from router.core.fulfilment import ALL_BY_PLACE, BY_PLACE, Fulfilment
from router.core.keys import VisitKey, joined, parted
from router.core.numbers import Numbers
from router.core.people import Statement
from router.core.visit import Fold, folded
from router.core.whose import counting, counts
from schemas.authority import Authority

MAX_FOREIGN: Final = 100
"""Facts about others that a visit holds, until a merge may make them count. A sender that mixes up two patients
sends a few; one whose visit field holds a constant sends everybody's."""
ANNOUNCED: Final = TypeAdapter(Announced)


class Visit:
    """One visit: its rows, and its fold once it was touched.

    ``patients``: every number that a fact names. ``foreign``: ids of the facts that are about somebody else
    and count as nothing, once it was folded.
    """

    __slots__ = (
        "_agenda",
        "_fulfilment",
        "_rows",
        "_unread",
        "at",
        "fold_",
        "foreign",
        "numbers",
        "patients",
    )  # fmt: skip

    def __init__(
        self,
        source: str,
        visit: str,
        fulfilment: Fulfilment = BY_PLACE,
        numbers: Numbers | None = None,
        agenda: Agenda | None = None,
    ) -> None:
        self.at: VisitKey = (source, visit)
        self._agenda = agenda or Agenda()
        self._fulfilment = fulfilment
        self.numbers = numbers or Numbers(lambda _: ())
        self.fold_: Fold | None = None
        self.patients: tuple[str, ...] = ()
        self.foreign: frozenset[str] = frozenset()
        self._rows: dict[str, bytes] | None = None
        self._unread: list[bytes] = []

    @property
    def source(self) -> str:
        """Whose visit it is."""
        return self.at[0]

    @property
    def visit(self) -> str:
        """Its number at the source."""
        return self.at[1]

    def restore(self, row: bytes) -> None:
        """Put one committed row back, unparsed."""
        self._unread.append(row)

    def facts(self) -> Iterator[Fact]:
        """Every fact held, in no order."""
        return map(parsed, [*(self._rows or {}).values(), *self._unread])

    def known(self, fact_id: str) -> Fact | None:
        """The fact as held, if it is."""
        row = self._read().get(fact_id)
        return parsed(row) if row is not None else None

    def fold(self) -> Fold:
        """What the facts amount to by the realm's clock."""
        if self.fold_ is None:
            self.fold_ = self._folded()
        self.fold_.pass_time(self._agenda.now)
        return self.fold_

    def hold(self, fact: Fact) -> bytes:
        """Hold a fact, which :meth:`take` must fold then; its row."""
        row = self._read()[fact.id] = row_of(fact)
        self.name(fact.patient)
        return row

    def take(self, fact: Fact, *, is_new: bool) -> None:
        """Fold a fact that is held. A new one that sorts after all others is taken in as it is."""
        fold = self.fold_
        if fold is None or not is_new or not fold.follows(fact):
            self.fold_ = self._folded()
        elif not fold.patient or fact.patient == fold.patient:  # nearly always
            fold.advance(fact)
        elif fact.corrects and self.foreign:
            self.fold_ = self._folded()  # what was somebody else's may be this patient's
        elif counts(fact, fold.patient, self._is_same):
            fold.advance(fact)
        else:
            self.foreign |= {fact.id}

    @property
    def is_crowded(self) -> bool:
        """Whether so many facts are about others that no more are held."""
        return len(self.foreign) >= MAX_FOREIGN

    def is_crowded_for(self, fact: Fact) -> bool:
        """Whether the fact is one more about somebody else than is held."""
        fold = self.fold()
        if not self.is_crowded or fact.corrects or fact.patient == fold.patient:
            return False
        return not self._is_same(fact.patient, fold.patient)

    def name(self, patient: str) -> None:
        """Know that a fact names the patient's number."""
        if patient not in self.patients:
            self.patients = (*self.patients, patient)

    def let_go(self, fact_id: str) -> None:
        """Hold a fact no longer."""
        del self._read()[fact_id]
        self.fold_ = None

    def _read(self) -> dict[str, bytes]:
        if self._rows is None:
            self._rows = {parsed(row).id: row for row in self._unread}
            self._unread = []
        return self._rows

    def glance(self) -> Fold:
        """The fold, without keeping what a look at every visit would fill the memory with."""
        return self.fold() if self.fold_ else self._folded()

    def _folded(self) -> Fold:
        facts = list(self.facts())
        if len(self.patients) <= 1:  # nearly always
            return folded(facts, self._fulfilment, self._agenda.now)
        heard = counting(facts, self._is_same)
        self.foreign = frozenset(fact.id for fact in facts) - {fact.id for fact in heard}
        return folded(heard, self._fulfilment, self._agenda.now)

    def _is_same(self, one: str, other: str) -> bool:
        return self.numbers.resolve(one) == self.numbers.resolve(other)


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
        self.sequences: dict[str, int] = {}
        self.authority: Authority | None = None
        self.clock: datetime | None = None
        self.agenda = Agenda()
        self.believed = Believed(None, None)
        self.unswept: list[VisitKey] = []
        self.looked_over = False
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
        visit = Visit(source, number, self._fulfilment, self.numbers_of(source), self.agenda)
        self.visits[visit.at] = visit
        return visit

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
        keys = [self.fact_key(visit, fact) for fact in facts]
        return [*keys, self.key(DUE, *visit.at)] if self.agenda.drop(visit.at) else keys

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
            found = self.numbers[source] = Numbers(partial(self._said_in_visits, source))
        return found

    def _said_in_visits(self, source: str, owner: str) -> Iterator[Statement]:
        """What the source's kept visits say of a patient's other numbers."""
        for at in self.by_patient.get(owner, ()):
            if at[0] == source:
                for fact in self.visits[at].facts():
                    if fact.patient == owner and fact.others:
                        yield Statement(fact.order, owner, fact.others)

    def person(self, source: str, patient: str) -> dict[str, bytes]:
        """Rows of what the source said about the patient apart from any visit, by id."""
        return self.persons.setdefault(source, {}).setdefault(patient, {})

    def patient_of(self, visit: Visit) -> str:
        """Whom the visit is about, as its own source has merged them."""
        return visit.numbers.resolve(visit.fold().patient)

    def tell(self, name: Name, announced: Announced) -> None:
        """Keep what a ward was told, and whose it is while it is open."""
        before = self.told.get(name)
        if before is not None:
            self.open_of.get(before.terms.patient, set()).discard(name)
        self.told[name] = announced
        if announced.backing is not None:
            self.open_of.setdefault(announced.terms.patient, set()).add(name)

    def believe(self) -> None:
        """Look up anew who is believed."""
        self.believed = Believed(self.authority, self.clock)


def marked(fact: Fact) -> str:
    """The ward that a fact names as marked, or nothing."""
    return fact.claims.mark.ward if fact.claims.mark else ""


class RouterState:
    """The realms of one partition. ``fulfilments``: by realm, where it is not by place."""

    def __init__(self, fulfilments: Mapping[str, Fulfilment] = ALL_BY_PLACE) -> None:
        self.realms: dict[str, Realm] = {}
        self._fulfilments = fulfilments

    def realm(self, name: str) -> Realm:
        """The realm, new if it was not known."""
        found = self.realms.get(name)
        if found is None:
            fulfilment = self._fulfilments.get(name, BY_PLACE)
            found = self.realms[name] = Realm(name, fulfilment)
        return found

    def restore(self, key: str, row: bytes) -> None:
        """Put one committed row back."""
        name, kind, *about = key.split("|") if "%" not in key else parted(key)
        realm = self.realm(name)
        if kind == "fact":
            _restore_fact(realm, about, row)
        else:
            _RESTORERS[kind](realm, about, row)


def _restore_fact(realm: Realm, about: list[str], row: bytes) -> None:
    source, number, patient, ward, _ = about
    visit = realm.visit((source, number))
    visit.restore(row)
    realm.index(visit, patient, ward)


def _restore_merge(realm: Realm, about: list[str], row: bytes) -> None:
    realm.numbers_of(about[0]).bonds.add_merge(KEPT_MERGE.validate_json(row))


def _restore_number(realm: Realm, about: list[str], row: bytes) -> None:
    source, number, owner = about
    realm.numbers_of(source).bonds.restore(number, owner, row)


def _restore_crowded(realm: Realm, about: list[str], row: bytes) -> None:
    source, number = about
    realm.numbers_of(source).bonds.crowded[number] = int(row)


def _restore_person(realm: Realm, about: list[str], row: bytes) -> None:
    source, patient, fact_id = about
    realm.person(source, patient)[fact_id] = row


def _restore_told(realm: Realm, about: list[str], row: bytes) -> None:
    realm.tell(Name(*about), ANNOUNCED.validate_json(row))


def _restore_ward(realm: Realm, about: list[str], row: bytes) -> None:
    realm.sequences[about[0]] = int(row)


def _restore_authority(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.authority = Authority.model_validate_json(row)
    realm.believe()


def _restore_clock(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.clock = datetime.fromisoformat(row.decode())
    realm.agenda.restore_clock(microseconds(realm.clock))
    realm.believe()


def _restore_due(realm: Realm, about: list[str], row: bytes) -> None:
    source, number = about
    realm.agenda.restore_times((source, number), row)


def _restore_behind(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.agenda.restore_behind(row)


_RESTORERS: Final = {
    "merge": _restore_merge,
    "number": _restore_number,
    "crowded": _restore_crowded,
    "person": _restore_person,
    "told": _restore_told,
    "ward": _restore_ward,
    "authority": _restore_authority,
    "clock": _restore_clock,
    DUE: _restore_due,
    BEHIND: _restore_behind,
}
