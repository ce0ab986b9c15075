"""Registers subscribers for the HTTP and the FHIR API. The only writer of topic ``registrations``.

Invariants: nobody registers for what they may not read; a name is nobody else's, and never used again; a
subscriber is told of everything that is decided after its registration was answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self
from uuid import uuid4

import structlog
from pydantic import ValidationError

from bus.port import Log
from router.delivery.channels.kind import ChannelSettings
from router.delivery.registry import record_of, removal_of
from schemas import topics
from schemas.fields import Level, reaches
from schemas.notification import Kind
from schemas.registration import Owner, Registration
from schemas.ward import WardRegister
from wardbridge.config.authorisation import Deed, Reader
from wardbridge.config.subscribers import SubscriberAsked
from wardbridge.security.sealing import SealError
from wardbridge.subscriptions.registrations import Registrations, is_off, revealed

_ASKED: Final[tuple[Deed, ...]] = ("read", "subscribe")
OWNERS: Final = {"token": "token", "session": "token", "certificate": "certificate"}
"""Who can own a subscription: those whose rights stand in the configuration, to be looked up later."""


class NotRegisteredError(Exception):
    """Not done. ``what`` names the part that is wrong, ``status`` is HTTP's."""

    def __init__(self, status: int, text: str, what: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.what = what


@dataclass(frozen=True, slots=True)
class WantedRegistration:
    """What a registration is to say."""

    channel: str
    settings: ChannelSettings
    wards: tuple[str, ...] = ()
    hospitals: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    fields: Level = "minimal"
    token: str = ""
    reason: str = ""
    off: bool = False
    end: datetime | None = None

    @classmethod
    def of(cls, asked: SubscriberAsked) -> Self:
        """What was asked by name."""
        return cls(
            asked.channel, asked.settings, asked.wards, asked.hospitals,
            tuple(sorted(asked.told())), asked.fields, asked.token, asked.reason,
        )  # fmt: skip


class Registrar:
    """Blocks: belongs in a thread. Every method raises LogError."""

    def __init__(
        self,
        log: Log,
        registrations: Registrations,
        register: WardRegister,
        now: Callable[[], datetime],
        max_per_owner: int,
    ) -> None:
        self._log = log
        self.registrations = registrations
        self._register = register
        self._now = now
        self._max_per_owner = max_per_owner
        self._alone = threading.Lock()

    def own(self, asking: Reader) -> Mapping[str, Registration]:
        """Those that somebody registered; of those who operate, all."""
        known = self.registrations.known()
        return {name: each for name, each in known.items() if is_own(each, asking)}

    def may_ask_for(self, asking: Reader, name: str) -> bool:
        """Whether somebody may read what a subscriber was sent: who operates, its owner, and its own token."""
        section = self.registrations.configured.get(name)
        if section is not None:
            return asking.may("operate") or _is_token(asking, section.token)
        known = self.registrations.known().get(name)
        return known is not None and (is_own(known, asking) or _is_token(asking, known.token))

    def subscribe(self, asking: Reader, name: str, wanted: WantedRegistration) -> Registration:
        """A new subscription of somebody's own, under a :func:`new_name`. Raises NotRegisteredError."""
        owner = owner_of(asking)
        with self._alone:
            if (
                sum(each.owner == owner for each in self.own(asking).values())
                >= self._max_per_owner
            ):
                text = f"there are {self._max_per_owner} already: delete one"
                raise NotRegisteredError(409, text)
            self._check(asking, wanted)
            return self._kept(name, owner, wanted, None)

    def change(self, asking: Reader, name: str, wanted: WantedRegistration) -> Registration:
        """One of somebody's own, from now on otherwise. Raises NotRegisteredError."""
        with self._alone:
            before = self.own(asking).get(name)
            if before is None:
                raise NotRegisteredError(404, "there is no such subscription")
            self._check(asking, wanted)
            return self._kept(name, before.owner, wanted, before)

    def enlist(
        self, asking: Reader, name: str, wanted: WantedRegistration
    ) -> tuple[Registration, bool, str | None]:
        """A subscriber by name, for those who operate; whether it is new; a secret that was made for it.

        Raises NotRegisteredError.
        """
        if name in self.registrations.configured:
            raise NotRegisteredError(409, "the configuration has a subscriber of this name")
        with self._alone:
            before = self.registrations.known().get(name)
            if before is None and self.registrations.is_taken(name):
                text = "an earlier subscriber had this name and its numbers: take another"
                raise NotRegisteredError(409, text)
            if before is not None and before.channel != wanted.channel:
                raise NotRegisteredError(409, "this name is a subscriber of another kind")
            wanted, secret = self._completed(wanted, before)
            self._check_fields(asking, wanted)
            self._check_names(wanted)
            kept = self._kept(name, before.owner if before else None, wanted, before)
            return kept, before is None, secret

    def _completed(
        self, wanted: WantedRegistration, before: Registration | None
    ) -> tuple[WantedRegistration, str | None]:
        known = self.registrations.asked(before) if before else None
        settings, secret = wanted.settings.completed(known)
        if before is not None and secret is not None:
            raise NotRegisteredError(409, "its secrets cannot be opened: give others")
        return replace(wanted, settings=settings), secret

    def remove(self, asking: Reader, name: str) -> bool:
        """Tell it nothing more; False where there is no such one."""
        with self._alone:
            own = self.own(asking).get(name)
            if own is None:
                return False
            self._log.append([removal_of(own)])
            return True

    def _check(self, asking: Reader, wanted: WantedRegistration) -> None:
        """Whether somebody may be told of all of it; who names nothing is told what they may read."""
        register = self._register
        for ward in wanted.wards:
            if not all(asking.may_at(deed, ward, register.hospital_of(ward)) for deed in _ASKED):
                raise NotRegisteredError(
                    403, "not with these rights at all of these wards", "wards"
                )
        for hospital in wanted.hospitals:
            if not all(asking.may_at(deed, "", hospital) for deed in _ASKED):
                raise NotRegisteredError(
                    403, "not with these rights at all of the hospital", "wards"
                )
        if not all(map(asking.may, _ASKED)):
            raise NotRegisteredError(403, "not with these rights")
        self._check_names(wanted)

    def _check_fields(self, asking: Reader, wanted: WantedRegistration) -> None:
        """Nobody has others told what they may not see themselves."""
        places: list[tuple[str, str | None]] = [
            *((ward, self._register.hospital_of(ward)) for ward in wanted.wards),
            *(("", hospital) for hospital in wanted.hospitals),
        ]
        levels = [asking.level_at(*place) for place in places or [("", None)]]
        if not all(reaches(level, wanted.fields) for level in levels):
            raise NotRegisteredError(
                403, f"fields: you may not read {wanted.fields} fields", "fields"
            )

    def _check_names(self, wanted: WantedRegistration) -> None:
        if self._register.is_open:
            return
        hospitals = {ward.hospital for ward in self._register.wards.values()}
        if not (
            hospitals.issuperset(wanted.hospitals)
            and self._register.wards.keys() >= {*wanted.wards}
        ):
            raise NotRegisteredError(422, "the ward register has no such ward or hospital", "wards")

    def _kept(
        self,
        name: str,
        owner: Owner | None,
        wanted: WantedRegistration,
        before: Registration | None,
    ) -> Registration:
        now = self._now()
        if wanted.end is not None and wanted.end <= now:
            raise NotRegisteredError(422, "the end is over", "end")
        goes_on = before is not None and not is_off(before, now)
        since = before.since if before and goes_on else dict(self._log.ends(topics.DESIGNATIONS))
        found = Registration(
            name=name,
            revision=before.revision + 1 if before else 1,
            at=now,
            owner=owner,
            channel=wanted.channel,
            wards=wanted.wards,
            hospitals=wanted.hospitals,
            kinds=wanted.kinds,
            fields=wanted.fields,
            token=wanted.token,
            sealed="",
            reason=wanted.reason,
            off=wanted.off,
            end=wanted.end,
            since=since,
        )
        self._check_channel(found, wanted.settings)
        kept = found.model_copy(update={"sealed": self._sealed(name, wanted.settings)})
        self._log.append([record_of(kept)])
        return kept

    def _check_channel(self, registration: Registration, asked: ChannelSettings) -> None:
        try:
            self.registrations.check(registration, asked)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            what = str(first["loc"][0]) if first["loc"] else "url"
            raise NotRegisteredError(
                422, first["msg"].removeprefix("Value error, "), what
            ) from None

    def _sealed(self, name: str, asked: ChannelSettings) -> str:
        seal = self.registrations.seal
        try:
            if not self.registrations.registry.current().registered:
                seal.make()
            return seal.closed(name, revealed(asked))
        except SealError as error:
            structlog.get_logger().error("registration_not_sealed", reason=str(error))
            raise NotRegisteredError(503, "its secrets cannot be sealed now") from None


def new_name() -> str:
    """One that is nobody's."""
    return uuid4().hex


def owner_of(asking: Reader) -> Owner:
    """Who owns what somebody registers. Raises NotRegisteredError."""
    if asking.how == "nobody-asked":
        return Owner(name="", how=asking.how)
    how = OWNERS.get(asking.how)
    if how is None:
        text = (
            "what an identity provider grants cannot be looked up later: use a token or certificate"
        )
        raise NotRegisteredError(403, text)
    return Owner(name=asking.name, how=how)


def _is_token(asking: Reader, token: str) -> bool:
    return token != "" and (asking.name, OWNERS.get(asking.how)) == (token, "token")


def is_own(registration: Registration, asking: Reader) -> bool:
    """Whether somebody may see and change it."""
    if asking.may("operate"):
        return True
    owner = registration.owner
    return owner is not None and (owner.name, owner.how) == (asking.name, OWNERS.get(asking.how))
