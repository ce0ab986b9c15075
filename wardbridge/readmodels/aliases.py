"""Read model of topic ``aliases``: which patient each number belongs to, as the router decided.

Invariant: nothing is decided here. A number leads where its row leads, and ends at the patient whose it is; only
between rows of one commit may it lead in a circle, and then it stays where it was. Only the event loop's thread
touches it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from bus.port import Stored
from schemas.alias import Alias
from wardbridge.readmodels.readable import Readable


class SourceNumber(NamedTuple):
    """A number of a source, by its patient key."""

    realm: str
    source: str
    key: str


class Aliases:
    """Where each number leads, and which lead to it."""

    def __init__(self) -> None:
        self._leads: dict[SourceNumber, Alias] = {}
        self._from: defaultdict[SourceNumber, set[SourceNumber]] = defaultdict(set)
        self._of_row: dict[str, SourceNumber] = {}
        self._sources: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._realms: defaultdict[str, set[str]] = defaultdict(set)

    def set_row(self, row: Stored) -> None:
        """Take a row in, or that a number is a patient itself again.

        Raises ValueError for one that cannot be read, and then nothing has changed.
        """
        key = row.key or ""
        alias = None if row.value is None else Alias.model_validate_json(row.value)
        if (before := self._of_row.pop(key, None)) is not None:
            gone = self._leads.pop(before)
            self._from[before._replace(key=gone.patient)].discard(before)
        if alias is not None:
            number = SourceNumber(alias.realm, alias.source, alias.number)
            self._of_row[key] = number
            self._leads[number] = alias
            self._from[number._replace(key=alias.patient)].add(number)
            self._realms[alias.source].add(alias.realm)
            for each in (alias.number, alias.patient):
                self._sources[alias.realm, each].add(alias.source)

    def patient(self, realm: str, source: str, number: str) -> str:
        """The patient whose the source says that the number is."""
        at, seen = SourceNumber(realm, source, number), set[SourceNumber]()
        while at not in seen and (alias := self._leads.get(at)) is not None:
            seen.add(at)
            at = at._replace(key=alias.patient)
        return at.key

    def patient_of(self, source: str, number: str) -> str:
        """The same where the realm is not known: a view of a visit does not name it."""
        patients = (self.patient(realm, source, number) for realm in self._realms.get(source, ()))
        return next((patient for patient in patients if patient != number), number)

    def numbers(self, realm: str, source: str, patient: str) -> set[str]:
        """The numbers that are one patient's, without those of patients that have ceased into this one."""
        found = {patient}
        waiting = [SourceNumber(realm, source, patient)]
        while waiting:
            fresh = {
                each
                for each in self._from.get(waiting.pop(), ())
                if not self._leads[each].merged and each.key not in found
            }
            found |= {each.key for each in fresh}
            waiting += fresh
        return found

    def connected_anywhere(self, number: str) -> set[str]:
        """:meth:`connected` in every realm."""
        realms = set[str]().union(*self._realms.values())
        return {number}.union(*(self.connected(realm, number) for realm in realms))

    def connected(self, realm: str, number: str) -> set[str]:
        """Every number that any source's rows lead to or from this one."""
        found, waiting = {number}, [number]
        while waiting:
            key = waiting.pop()
            fresh = set[str]()
            for source in self._sources.get((realm, key), ()):
                at = SourceNumber(realm, source, key)
                fresh |= {each.key for each in self._from.get(at, ())}
                fresh |= {self._leads[at].patient} if at in self._leads else set()
            fresh -= found
            found |= fresh
            waiting += fresh
        return found


def aliases_of(rows: Iterable[Stored]) -> Aliases:
    """What the rows of the topic amount to, of those that can be read."""
    found = Aliases()
    Readable().each(found.set_row, rows)
    return found
