"""The subscriptions that the caller may see, with their status. It blocks: call it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from bus.port import Log
from router.delivery.bundles import Speaker, SubscriptionStatus
from router.delivery.channel import Outgoing
from router.delivery.channels.fhir import FhirAsked
from router.delivery.channels.kind import endpoint_of
from router.delivery.history import history_of
from router.delivery.subscription_status import standing_of
from schemas.registration import Content, Owner, Registration
from wardbridge.config.authorisation import Reader
from wardbridge.config.subscribers import SubscriberSection
from wardbridge.subscriptions.registrar import Registrar, is_own
from wardbridge.subscriptions.registrations import is_off


class SubscriptionEntry(NamedTuple):
    """One subscription; ``is_configured``: it cannot be changed here."""

    registration: Registration
    settings: FhirAsked | None
    """None where they cannot be opened."""
    is_configured: bool

    @property
    def content(self) -> Content:
        """How much is told."""
        return self.settings.content if self.settings else Content.ID_ONLY

    @property
    def url(self) -> str:
        """Where its notifications go."""
        return self.settings.url if self.settings else ""


class SubscriptionStore:
    """Reads the log. Every method raises LogError."""

    def __init__(
        self, log: Log, registrar: Registrar, base: str, now: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._registrar = registrar
        self._base = base
        self._now = now
        sections = registrar.registrations.configured
        self._configured = {
            name: _entry(name, section, section.settings, now())
            for name, section in sections.items()
            if isinstance(section.settings, FhirAsked)
        }

    def entries(self, asking: Reader) -> Mapping[str, SubscriptionEntry]:
        """By id."""
        found = {
            name: entry
            for name, entry in self._configured.items()
            if is_own(entry.registration, asking)
        }
        for name, each in self._registrar.own(asking).items():
            if each.channel == "fhir":
                found[name] = SubscriptionEntry(each, self._settings(each), is_configured=False)
        return found

    def speaker(self, entry: SubscriptionEntry) -> Speaker:
        """Whom its Bundles name."""
        return Speaker(self._base, entry.registration.name, entry.content)

    def standing(self, entry: SubscriptionEntry) -> SubscriptionStatus:
        """How it is now."""
        of = entry.registration
        revision = 0 if entry.is_configured else of.revision
        endpoint = endpoint_of(entry.url, revision)
        return standing_of(self._log, of.name, endpoint, is_off=is_off(of, self._now()))

    def events(self, entry: SubscriptionEntry, first: int) -> Iterator[Outgoing]:
        """What has happened for it, from that number on."""
        return history_of(self._log, entry.registration.name, first).since(first)

    def may_read(self, entry: SubscriptionEntry) -> Callable[[str, str | None], bool]:
        """Whether its owner may still be told of a ward."""
        return self._registrar.registrations.subscription(entry.registration).may_read

    def _settings(self, of: Registration) -> FhirAsked | None:
        found = self._registrar.registrations.asked(of)
        return found if isinstance(found, FhirAsked) else None


def _entry(
    name: str, section: SubscriberSection, settings: FhirAsked, at: datetime
) -> SubscriptionEntry:
    registration = Registration(
        name=name,
        at=at,
        owner=Owner(name=section.token, how="token") if section.token else None,
        channel=section.channel,
        wards=section.wards,
        hospitals=section.hospitals,
        kinds=section.kinds,
        sealed="",
    )
    return SubscriptionEntry(registration, settings, is_configured=True)
