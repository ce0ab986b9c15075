"""The router's state of one partition: its realms, restored row by row after a restart.

Most rows are indexed by their keys alone (``state``), so that a million of them need not be parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.port import ForeignRowError
from router.core import clock
from router.core.bonds import KEPT_MERGE
from router.core.clock import Clock
from router.core.designations import Name
from router.core.due import BEHIND, DUE, EARLY
from router.core.facts import microseconds, moment
from router.core.fulfilment import ALL_BY_PLACE, BY_PLACE, Fulfilment
from router.core.keys import parted
from router.core.state import ANNOUNCED, Realm, WardCount
from schemas.authority import Authority


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
        """Put one committed row back. Raises ForeignRowError under a key that is none of ours.

        Raises ValueError, TypeError or LookupError for a row of ours that is damaged.
        """
        name, kind, about = _split(key)
        realm = self.realm(name)
        if kind == "fact":  # nearly all
            _restore_fact(realm, about, row)
        else:
            _RESTORERS[kind](realm, about, row)


def _split(key: str) -> tuple[str, str, list[str]]:
    """Realm, kind, and what the row is about."""
    name, *rest = key.split("|") if "%" not in key else parted(key)
    if not name or not rest or len(rest) - 1 != _PARTS.get(rest[0]):
        raise ForeignRowError("it is no key of the router")
    return name, rest[0], rest[1:]


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


def _restore_spoken(realm: Realm, about: list[str], row: bytes) -> None:
    source, owner, fact_id = about
    realm.numbers_of(source).bonds.spoken.restore(owner, fact_id, row)


def _restore_crowded(realm: Realm, about: list[str], row: bytes) -> None:
    source, number = about
    realm.numbers_of(source).bonds.crowded[number] = int(row)


def _restore_person(realm: Realm, about: list[str], row: bytes) -> None:
    source, patient, fact_id = about
    realm.person(source, patient)[fact_id] = row


def _restore_told(realm: Realm, about: list[str], row: bytes) -> None:
    realm.tell(Name(*about), ANNOUNCED.validate_json(row))


def _restore_ward(realm: Realm, about: list[str], row: bytes) -> None:
    realm.wards[about[0]] = WardCount(*map(int, row.split()))


def _restore_authority(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.authority = Authority.model_validate_json(row)
    realm.believe()


def _restore_clock(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.clock, *doubted = clock.times_of(row)
    realm.doubted_since = doubted[0] if doubted else None
    realm.agenda.restore_clock(microseconds(realm.clock))


def _restore_seen(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.seen = Clock(*clock.times_of(row))
    realm.believe()


def _restore_backlog(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.backlog.restore(row)


def _restore_register(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.reading = row.decode()


def _restore_withheld(realm: Realm, about: list[str], row: bytes) -> None:
    realm.withheld[about[0]] = row.decode()


def _restore_reviewed(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.reviewed_at = moment(int(row))


def _restore_due(realm: Realm, about: list[str], row: bytes) -> None:
    source, number = about
    realm.agenda.restore_times((source, number), row)


def _restore_behind(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.agenda.restore_behind(row)


def _restore_early(realm: Realm, _about: list[str], row: bytes) -> None:
    realm.agenda.restore_early(row)


_PARTS: Final = {
    "fact": 5, "merge": 2, "number": 3, "spoken": 3, "crowded": 2, "person": 3, "told": 3, "ward": 1, DUE: 2,
    "withheld": 1,
    **dict.fromkeys(("authority", "clock", "seen", "backlog", "register", "reviewed", BEHIND, EARLY), 0),
}  # fmt: skip
"""By the kind of row, how many parts of its key say what it is about."""

_RESTORERS: Final = {
    "merge": _restore_merge,
    "number": _restore_number,
    "spoken": _restore_spoken,
    "crowded": _restore_crowded,
    "person": _restore_person,
    "told": _restore_told,
    "ward": _restore_ward,
    "authority": _restore_authority,
    "clock": _restore_clock,
    "seen": _restore_seen,
    "backlog": _restore_backlog,
    "register": _restore_register,
    "withheld": _restore_withheld,
    "reviewed": _restore_reviewed,
    DUE: _restore_due,
    BEHIND: _restore_behind,
    EARLY: _restore_early,
}
