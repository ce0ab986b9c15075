"""Who is told: those of the configuration, and whoever registered over HTTP, as the configuration lets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from bus.port import Log
from router.delivery.adt import TOLD
from router.delivery.registry import Known, Registry, begin_configured
from router.delivery.subscription import MayRead, Subscription
from schemas.fields import LEVELS, Level, LevelAt, always
from schemas.registration import Content, Owner, Registration
from wardbridge.config.access import AccessSection
from wardbridge.config.models import Installation, RegistrationsSection
from wardbridge.config.subscribers import (
    FhirSection,
    MllpSection,
    SubscriberSection,
    WebhookSection,
)
from wardbridge.http.access.rights import Grant
from wardbridge.sealing import Seal, Secrets

Way = WebhookSection | FhirSection | MllpSection


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
        self.registry = Registry(log)
        self.seal = seal
        self.configured = configured
        self._settings = settings
        self._access = access
        self._built_of: tuple[Known, frozenset[str]] | None = None
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
        kinds = frozenset(of.kinds) or (TOLD if of.way == "mllp" else frozenset())
        until_ms = None if of.end is None else int(of.end.timestamp() * 1000)
        return Subscription(
            of.name, frozenset(of.wards), frozenset(of.hospitals), kinds,
            may_read_as(of.owner, self._access), of.since, until_ms,
        )  # fmt: skip

    def level_at(self, of: Registration) -> LevelAt:
        """How much one of them is told: by name what it was registered for, of FHIR what its owner may read.

        Who registers by name may operate: it is no more than any of these may read by now.
        """
        if of.way == "fhir":
            is_whole = of.content is Content.FULL_RESOURCE
            return level_as(of.owner, self._access) if is_whole else always("minimal")
        most = self._access.most_of_operators() if self._access else LEVELS[0]
        return always(min(of.fields, most, key=LEVELS.index))

    def _may_be_told(self, of: Registration) -> bool:
        """Whether its owner may be told of anything by now."""
        return (
            self._access is None
            or of.owner is None
            or _grant_of(of.owner, self._access) is not None
        )

    def way(self, of: Registration) -> Way:
        """How it is told. Raises SealError, or ValueError where that is not allowed any more."""
        return self.way_with(of, self.seal.opened(of.name, of.sealed))

    def way_with(self, of: Registration, secrets: Secrets) -> Way:
        """The same with what is in the seal. Raises ValueError."""
        way = self._way(of, secrets)
        SubscriberSection.model_validate({"kinds": of.kinds, "fields": of.fields, of.way: way})
        return way

    def _way(self, of: Registration, secrets: Secrets) -> Way:
        limits = ("timeout_s", "give_up_after_s", "refused_after_s")
        said: dict[str, Any] = {
            name: limit for name in limits if (limit := getattr(of, name)) is not None
        }
        said |= {"allow_private": self._settings.allow_private, "ca_file": self._settings.ca_file}
        if of.way == "mllp":
            plain = {} if secrets.receiver.get("tls", True) else {"ca_file": None}
            return MllpSection.model_validate(said | plain | dict(secrets.receiver))
        said["url"] = secrets.url
        if of.way == "webhook":
            return WebhookSection.model_validate({**said, "secrets": secrets.keys})
        more = {"headers": secrets.headers, "content": of.content, "heartbeat_s": of.heartbeat_s}
        return FhirSection.model_validate({**said, **more})


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
