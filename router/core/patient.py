"""Fold 2: a patient's effective designations, from the views and from who is believed.

Everything about a ward is judged by the source that is believed for that ward: a visit of any
other source implies nothing for it, whatever it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from router.core.designations import Announced, DesignationTerms, Effective, Name
from router.core.facts import Fact, Stamp, parsed
from router.core.held_visit import Visit
from router.core.keys import VisitKey
from router.core.state import Realm
from schemas.observation import Protection, strictest
from schemas.ward import WardRegister

Said = tuple[tuple[Stamp, str], Protection]


def visits_of(realm: Realm, patient: str) -> list[Visit]:
    """Every source's visits of the patient, by all numbers and merges of that source."""
    keys = dict[VisitKey, None]()
    for source, numbers in realm.numbers.items():
        for number in numbers.members(patient):
            keys |= dict.fromkeys(at for at in realm.by_patient.get(number, ()) if at[0] == source)
    return [visit for visit in map(realm.visits.__getitem__, keys) if _is_of(realm, visit, patient)]


def _is_of(realm: Realm, visit: Visit, patient: str) -> bool:
    return realm.patient_of(visit) == patient


def numbers_of(realm: Realm, patient: str) -> set[str]:
    """Every number that any source ties to this patient's: where it masks, doubt counts."""
    found = {patient}
    if not any(numbers.bonds.is_bound(patient) for numbers in realm.numbers.values()):
        return found  # nearly always
    seen = {source: set[str]() for source in realm.numbers}
    waiting = [patient]
    while waiting:
        number = waiting.pop()
        for source, numbers in realm.numbers.items():
            if number not in seen[source]:
                tied = numbers.connected(number)
                seen[source] |= tied
                waiting += tied - found
                found |= tied
    return found


def everyone_known_as(realm: Realm, patients: Iterable[str]) -> set[str]:
    """These patients, as every source resolves their numbers: what protects one protects all."""
    numbers = set[str]().union(*(numbers_of(realm, patient) for patient in patients))
    return numbers.union(
        each.resolve(number) for each in realm.numbers.values() for number in numbers
    )


def protection_of(realm: Realm, patient: str) -> Protection:
    """The strictest that any source says; what a source says is the newest that it said."""
    newest: dict[str, Said] = {}
    for source, said in said_of(realm, numbers_of(realm, patient)):
        newest[source] = max(said, newest.get(source, said))
    return strictest(level for _, level in newest.values())


def said_of(realm: Realm, numbers: set[str]) -> Iterator[tuple[str, Said]]:
    """What each source says of the protection of these numbers, and where that sorts."""
    keys = set[VisitKey]().union(*(realm.by_patient.get(number, ()) for number in numbers))
    for visit in map(realm.visits.__getitem__, keys):
        fold = visit.fold()
        if fold.patient in numbers and fold.protection is not None and fold.protection_order:
            yield visit.source, (fold.protection_order, fold.protection)
        for fact, level in marks_of_others(visit):
            if fact.patient in numbers:
                yield visit.source, (fact.order, level)
    for source, persons in realm.persons.items():
        for number in numbers:
            for row in persons.get(number, {}).values():
                fact = parsed(row)
                yield source, (fact.order, fact.claims.protection or Protection.NONE)


def marks_of_others(visit: Visit) -> Iterator[tuple[Fact, Protection]]:
    """What protects others than whose the visit is by now: it counts whosever it is, what would unmask does not."""
    if len(visit.patients) <= 1:  # nearly always
        return
    patient = visit.fold().patient
    for fact in visit.facts():
        level = fact.claims.protection
        is_of_another = fact.patient != patient or fact.id in visit.foreign
        if is_of_another and level is not None and level is not Protection.NONE:
            yield fact, level


def effective(realm: Realm, patients: Iterable[str], register: WardRegister) -> list[Effective]:
    """What the believed views imply for these patients."""
    found = []
    for patient in sorted(patients):
        visits = visits_of(realm, patient)
        awaited = [visit for visit in visits if _is_believed(realm, visit, register)]
        if awaited:
            protected = protection_of(realm, patient) is not Protection.NONE
            found += [_effective(visit, patient, protected=protected) for visit in awaited]
    return found


def _is_believed(realm: Realm, visit: Visit, register: WardRegister) -> bool:
    ward = visit.fold().awaits_patient_in
    return ward is not None and believed_for(realm, ward, register) == visit.source


def believed_for(realm: Realm, ward: str, register: WardRegister) -> str | None:
    """The source believed for the ward now."""
    return realm.believed.source(ward, register.hospital_of(ward))


def _effective(visit: Visit, patient: str, *, protected: bool) -> Effective:
    fold = visit.fold()
    mark = fold.mark
    if mark is None:
        raise ValueError("a visit that awaits nobody has no designation")
    terms = DesignationTerms(
        patient, fold.expected_at, mark.room, mark.bed, protected, fold.admitting_doctor
    )
    return Effective(Name(visit.source, visit.visit, mark.ward), terms, fold.mark_id)


def still_means(realm: Realm, name: Name, each: Effective) -> bool:
    """Whether an announced visit is still of the patient whom another visit backs.

    A ward sees whom the announced visit means: by the source that is believed for the ward, where that one
    knows the number, else by its own source.
    """
    visit = realm.visits.get((name.source, name.visit))
    if visit is None:
        return False
    number, source = visit.fold().patient, each.name.source
    if realm.is_known(source, number):
        return realm.numbers_of(source).resolve(number) == each.terms.patient
    return realm.patient_of(visit) == each.terms.patient


def announced_of(realm: Realm, patients: Iterable[str]) -> dict[Name, Announced]:
    """What is announced as open for these patients."""
    names = set[Name]().union(*(realm.open_of.get(patient, ()) for patient in patients))
    return {name: realm.told[name] for name in sorted(names)}
