"""The current subscribers: those of the configuration and those registered at run time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import SecretStr

from bus.port import Log
from router.delivery.channels import KINDS
from router.delivery.channels.fhir import FhirAsked
from router.delivery.channels.kind import ChannelSettings
from router.delivery.registry import RegisteredSubscribers, SubscriberRegistry, begin_configured
from router.delivery.subscription import MayRead, Subscription
from schemas.fields import LEVELS, Level, LevelAt, always
from schemas.registration import Content, Owner, Registration
from wardbridge.config.access import AccessSection
from wardbridge.config.authorisation import Grant
from wardbridge.config.models import Installation, RegistrationsSection
from wardbridge.config.subscribers import SubscriberSection
from wardbridge.security.sealing import Seal, SealError


class Registrations:
    """Who is to be told besides those of the configuration, whose names win."""

    def __init__(
        self,
        log: Log,
        seal: Seal,
        settings: RegistrationsSection,
        access: AccessSection | None,
        configured: Mapping[str, SubscriberSection],
    ) -> None:
        self.registry = SubscriberRegistry(log)
        self.seal = seal
        self.configured = configured
        self._settings = settings
        self._access = access
        self._built_of: tuple[RegisteredSubscribers, frozenset[str]] | None = None
        self._subscriptions: Sequence[Subscription] = ()

    @classmethod
    def of(cls, log: Log, installation: Installation) -> Self:
        """As an installation's configuration has it."""
        settings = installation.settings
        seal = Seal(installation.data, settings.registrations.key_file)
        access, configured = settings.http.access, settings.subscribers
        return cls(log, seal, settings.registrations, access, configured)

    def begin(self, log: Log) -> None:
        """Note from where on those of the configuration are told who are new. Raises LogError."""
        begin_configured(log, self.configured, self.registry.current())

    # -- who

    def known(self) -> Mapping[str, Registration]:
        """By name. Raises LogError."""
        found = self.registry.current().registered.items()
        return {n: each for n, each in found if n not in self.configured and not each.removed}

    def is_taken(self, name: str) -> bool:
        """Whether the name was ever registered: its numbers are kept. Raises LogError."""
        return name in self.registry.current().registered

    def told(self, now: datetime) -> Mapping[str, Registration]:
        """Those to whom something is sent. Raises LogError."""
        known = self.known().items()
        return {
            name: each for name, each in known if not is_off(each, now) and self._may_be_told(each)
        }

    def _may_be_told(self, of: Registration) -> bool:
        """Whether its owner may be told of anything by now."""
        return (
            self._access is None
            or of.owner is None
            or _grant_of(of.owner, self._access) is not None
        )

    # -- of what

    def subscriptions(self, now: datetime) -> Sequence[Subscription]:
        """What each subscriber is to be told of, with the rights of its owner as they are. Raises LogError.

        The same object until somebody registers otherwise, or a registration ends.
        """
        known, registered = self.registry.current(), self.known().values()
        told = frozenset(each.name for each in registered if not is_off(each, now))
        if (known, told) != self._built_of:
            self._built_of = known, told
            configured = [
                _configured(name, section, known.since.get(name, {}))
                for name, section in self.configured.items()
            ]
            more = [self.subscription(each) for each in registered if each.name in told]
            self._subscriptions = (*configured, *more)
        return self._subscriptions

    def subscription(self, of: Registration) -> Subscription:
        """What one of them is to be told of."""
        until_ms = None if of.end is None else int(of.end.timestamp() * 1000)
        return Subscription(
            of.name, frozenset(of.wards), frozenset(of.hospitals), frozenset(of.kinds),
            may_read_as(of.owner, self._access), of.since, until_ms,
        )  # fmt: skip

    def level_at(self, of: Registration) -> LevelAt:
        """How much one of them is told: by name what it was registered for, of FHIR what its owner may read.

        Who registers by name may operate: it is no more than any of these may read by now.
        """
        if of.channel == "fhir":
            asked = self.asked(of)
            is_whole = isinstance(asked, FhirAsked) and asked.content is Content.FULL_RESOURCE
            return level_as(of.owner, self._access) if is_whole else always("minimal")
        most = self._access.most_of_operators() if self._access else LEVELS[0]
        return always(min(of.fields, most, key=LEVELS.index))

    # -- and how

    def asked(self, of: Registration) -> ChannelSettings | None:
        """How the channel was asked for; None where that cannot be opened: delivery says so, where it matters."""
        asked = KINDS[of.channel].asked
        try:
            opened = self.seal.opened(of.name, of.sealed)
            return None if asked is None else asked.model_validate_json(opened)
        except (SealError, ValueError):
            return None

    def settings(self, of: Registration) -> ChannelSettings:
        """How it is told. Raises SealError, or ValueError where that is not allowed any more."""
        said = json.loads(self.seal.opened(of.name, of.sealed))
        return self._complete(of.channel, said)

    def check(self, of: Registration, asked: ChannelSettings) -> None:
        """Raises ValueError where it must not be told so."""
        settings = self._complete(of.channel, json.loads(revealed(asked)))
        settings.check_told(of.kinds, of.fields)

    def _complete(self, channel: str, said: dict[str, Any]) -> ChannelSettings:
        """With what only those who operate say of an address."""
        local = {"allow_private": self._settings.allow_private, "ca_file": self._settings.ca_file}
        if said.get("tls") is False:
            del local["ca_file"]
        found: ChannelSettings = KINDS[channel].settings.model_validate(said | local)
        return found


def revealed(settings: ChannelSettings) -> bytes:
    """All that was said, secrets too: to be sealed."""

    def plain(value: object) -> str:
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    return json.dumps(settings.model_dump(exclude_none=True), default=plain).encode()


def _configured(name: str, section: SubscriberSection, since: Mapping[int, int]) -> Subscription:
    wards, hospitals = frozenset(section.wards), frozenset(section.hospitals)
    return Subscription(name, wards, hospitals, section.told(), since=since)


def is_off(registration: Registration, now: datetime) -> bool:
    """Whether nothing is sent to it."""
    return registration.off or (registration.end is not None and registration.end <= now)


def may_read_as(owner: Owner | None, access: AccessSection | None) -> MayRead:
    """What an owner may be told of by now. A token that is taken away, or may no longer, is told nothing."""
    grant = _grant_of(owner, access) if access and owner else None

    def may_read(ward: str, hospital: str | None) -> bool:
        if access is None or owner is None:  # nobody is asked; or those who operate registered it
            return True
        return grant is not None and grant.covers(ward, hospital)

    return may_read


def level_as(owner: Owner | None, access: AccessSection | None) -> LevelAt:
    """How much an owner may be told by now."""
    grant = _grant_of(owner, access) if access and owner else None

    def level_at(ward: str, hospital: str | None) -> Level:
        return grant.fields if grant and grant.covers(ward, hospital) else "minimal"

    return level_at


def _grant_of(owner: Owner, access: AccessSection) -> Grant | None:
    granted = access.of(owner.name, owner.how)
    grant = granted.grant() if granted else None
    return grant if grant and grant.may >= {"read", "subscribe"} else None
