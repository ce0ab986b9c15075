"""Turns the difference of designations into notifications: the only place where one is made.

A notification's id is a hash of announced source, announced visit, ward and version: it names no
patient, and whoever receives it again can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Final

from router.core.designations import (
    Announced,
    DesignationDifference,
    DesignationTerms,
    Effective,
    Name,
    changes,
    difference,
)
from router.core.output_records import OutputRecords
from router.core.patient import announced_of, believed_for, effective, still_means
from router.core.state import ANNOUNCED, Realm
from router.core.visit import Fold
from schemas.base import VisitRef
from schemas.encounter import Phase
from schemas.notification import TYPE_PREFIX, DesignationData, Kind, Notification, Reason
from schemas.ward import WardRegister

_ID_BYTES: Final = 16
Why = tuple[Kind, Reason]


def notification_id(name: Name, version: int) -> str:
    """The same for the same four, everywhere and always."""
    parts = "\x1f".join((*name, str(version)))
    return blake2b(parts.encode(), digest_size=_ID_BYTES).hexdigest()


class Announcer:
    """Brings what the wards were told in line with what is effective, for some patients.

    ``gained`` names the wards that another source was believed for until this record.
    """

    def __init__(
        self,
        realm: Realm,
        register: WardRegister,
        outbox: OutputRecords,
        at: datetime,
        gained: frozenset[str] = frozenset(),
    ) -> None:
        self._realm = realm
        self._register = register
        self._outbox = outbox
        self._at = at
        self._gained = gained

    def reconcile(self, patients: set[str]) -> None:
        """Tell the difference.

        Whoever has to do with what is announced or effective of one of them is brought in line with them: a
        visit that is another patient's by now is announced once, and closed by what opened it.
        """
        announced, implied, fresh, seen = (
            dict[Name, Announced](),
            list[Effective](),
            patients,
            set(patients),
        )
        while fresh:
            names = announced_of(self._realm, fresh)
            found = effective(self._realm, fresh, self._register)
            announced |= names
            implied += found
            fresh = self._also_meant(names, found) - seen
            seen |= fresh
        announced = dict(sorted(announced.items()))
        means = partial(still_means, self._realm)
        self._tell(announced, difference(announced, implied, means))

    def _also_meant(self, names: Mapping[Name, Announced], found: Iterable[Effective]) -> set[str]:
        """Whose what is announced is by now, and for whom what is effective was announced."""
        realm = self._realm
        by_now = {each for name, before in names.items() for each in (name, before.backing or name)}
        visits = (realm.visits.get((name.source, name.visit)) for name in by_now)
        told = (realm.told.get(each.name) for each in found)
        return {
            *(realm.patient_of(visit) for visit in visits if visit),
            *(before.terms.patient for before in told if before and before.backing),
        }

    def _tell(self, announced: Mapping[Name, Announced], found: DesignationDifference) -> None:
        for name in found.closed:
            self._close(name, announced[name])
        for name, each in found.kept:
            self._keep(name, announced[name], each)
        for each in found.opened:
            self._open(each)

    def _close(self, name: Name, before: Announced) -> None:
        why = self._why_closed(before.backing or name)
        after = before._replace(version=before.version + 1, backing=None)
        self._say(name, after, why)
        self._outbox.inbound(name, None)
        if (name.source, name.visit) not in self._realm.visits:  # it was another visit's by now
            retire_told(self._realm, self._outbox, name)

    def _keep(self, name: Name, before: Announced, each: Effective) -> None:
        after = before._replace(terms=each.terms, mark_id=each.mark_id, backing=each.name)
        changed = changes(before.terms, each.terms)
        if changed:
            after = after._replace(version=before.version + 1)
            data = self._say(name, after, (Kind.CHANGED, Reason.UPDATED), changed)
            self._outbox.inbound(name, data)
        elif after != before:
            self._store(name, after)

    def _open(self, each: Effective) -> None:
        before = self._realm.told.get(each.name)
        used = before.version if before else self._realm.count_of(each.name.ward).used
        version = used + 1
        after = Announced(version, each.mark_id, each.terms, self._at, each.name)
        reason = self._why_opened(each, before)
        self._outbox.inbound(each.name, self._say(each.name, after, (Kind.DESIGNATED, reason)))

    def _why_opened(self, each: Effective, before: Announced | None) -> Reason:
        if each.name.ward in self._gained:
            return Reason.AUTHORITY_MOVED
        same_mark = before is not None and before.mark_id == each.mark_id
        return Reason.REOPENED if same_mark else Reason.MARKED

    def _why_closed(self, backing: Name) -> Why:
        if believed_for(self._realm, backing.ward, self._register) != backing.source:
            return Kind.WITHDRAWN, Reason.AUTHORITY_MOVED
        visit = self._realm.visits.get((backing.source, backing.visit))
        return why_ended(visit.fold(), backing.ward) if visit else _CORRECTED

    def _say(
        self, name: Name, after: Announced, why: Why, changed: tuple[str, ...] = ()
    ) -> DesignationData:
        self._store(name, after)
        data = self._data(name, after, why, changed)
        kind = data.kind.value
        self._outbox.notification(
            Notification(
                id=notification_id(name, after.version),
                source=f"/wardbridge/{self._realm.name}",
                type=f"{TYPE_PREFIX}{kind}.v1",
                subject=name.ward,
                time=self._at,
                data=data,
            )
        )
        return data

    def _data(
        self, name: Name, after: Announced, why: Why, changed: tuple[str, ...]
    ) -> DesignationData:
        terms: DesignationTerms = after.terms
        return DesignationData(
            kind=why[0],
            reason=why[1],
            realm=self._realm.name,
            ward=name.ward,
            hospital=self._register.hospital_of(name.ward),
            visit=VisitRef(source=name.source, visit=name.visit),
            version=after.version,
            sequence=self._next_sequence(name.ward),
            announced_at=after.announced_at,
            expected_at=terms.expected_at,
            room=terms.room,
            bed=terms.bed,
            protected=terms.protected,
            changes=changed,
        )

    def _next_sequence(self, ward: str) -> int:
        realm, count = self._realm, self._realm.count_of(ward)
        realm.wards[ward] = count._replace(sequence=count.sequence + 1)
        self._outbox.state(realm.key("ward", ward), realm.ward_row(ward))
        return count.sequence + 1

    def _store(self, name: Name, after: Announced) -> None:
        self._realm.tell(name, after)
        self._outbox.state(self._realm.key("told", *name), ANNOUNCED.dump_json(after))


_CORRECTED: Final[Why] = (Kind.WITHDRAWN, Reason.CORRECTED)


def why_ended(fold: Fold, ward: str) -> Why:
    """Why a believed visit no longer implies a designation to the ward, asked in this order."""
    if fold.phase is Phase.DISCHARGED:
        return Kind.WITHDRAWN, Reason.DISCHARGED
    if fold.phase is Phase.CANCELLED:
        return Kind.WITHDRAWN, Reason.CANCELLED
    if fold.is_in(ward):
        # also when the same state drops the mark: many systems clear it on arrival
        return Kind.ARRIVED, Reason.MOVED_IN
    if fold.mark is None:
        return Kind.WITHDRAWN, fold.unmarked
    if fold.mark.ward != ward:
        return Kind.WITHDRAWN, Reason.REDESIGNATED
    # else it awaits the patient still, and is announced as another visit's or another patient's
    return (Kind.ARRIVED, Reason.MOVED_IN) if fold.fulfilled else _CORRECTED


def retire_told(realm: Realm, outbox: OutputRecords, name: Name) -> None:
    """Keep of what a ward was told and is closed only that its versions were used."""
    realm.forget_told(name)
    outbox.state(realm.key("told", *name), None)
    outbox.state(realm.key("ward", name.ward), realm.ward_row(name.ward))
