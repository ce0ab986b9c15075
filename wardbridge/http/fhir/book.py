"""The subscriptions that somebody may look at, and how each of them is. Blocks: belongs in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from bus.port import Log
from router.delivery.bundles import Speaker, Standing
from router.delivery.channel import Outgoing
from router.delivery.history import history_of
from router.delivery.posting import Address
from router.delivery.standing import standing_of
from schemas.registration import Owner, Registration
from wardbridge.config.subscribers import FhirSection, SubscriberSection
from wardbridge.http.access.rights import Reader
from wardbridge.http.registrar import Registrar, is_own
from wardbridge.registrations import is_off
from wardbridge.sealing import SealError, Secrets


class Entry(NamedTuple):
    """One subscription; ``is_configured``: it cannot be changed here."""

    registration: Registration
    secrets: Secrets
    is_configured: bool


class Book:
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
            name: _entry(name, section, section.fhir, now())
            for name, section in sections.items()
            if section.fhir
        }

    def entries(self, asking: Reader) -> Mapping[str, Entry]:
        """By id."""
        found = {
            name: entry
            for name, entry in self._configured.items()
            if is_own(entry.registration, asking)
        }
        for name, each in self._registrar.own(asking).items():
            if each.way == "fhir":
                found[name] = Entry(each, self._secrets(each), is_configured=False)
        return found

    def speaker(self, entry: Entry) -> Speaker:
        """Whom its Bundles name."""
        return Speaker(self._base, entry.registration.name, entry.registration.content)

    def standing(self, entry: Entry) -> Standing:
        """How it is now."""
        of = entry.registration
        revision = 0 if entry.is_configured else of.revision
        endpoint = Address(entry.secrets.url).named(revision)
        return standing_of(self._log, of.name, endpoint, is_off=is_off(of, self._now()))

    def events(self, entry: Entry, first: int) -> Iterator[Outgoing]:
        """What has happened for it, from that number on."""
        return history_of(self._log, entry.registration.name).since(first)

    def may_read(self, entry: Entry) -> Callable[[str, str | None], bool]:
        """Whether its owner may still be told of a ward."""
        return self._registrar.registrations.subscription(entry.registration).may_read

    def _secrets(self, of: Registration) -> Secrets:
        try:
            return self._registrar.registrations.seal.opened(of.name, of.sealed)
        except SealError:  # delivery says so, where it matters
            return Secrets(url="")


def _entry(name: str, section: SubscriberSection, way: FhirSection, at: datetime) -> Entry:
    registration = Registration(
        name=name,
        at=at,
        owner=Owner(name=way.owner, how="token") if way.owner else None,
        way="fhir",
        wards=section.wards,
        hospitals=section.hospitals,
        kinds=section.kinds,
        sealed="",
        content=way.content,
        timeout_s=way.timeout_s,
        heartbeat_s=way.heartbeat_s,
    )
    headers = tuple(f"{name}: {value}" for name, value in way.sent_along().items())
    return Entry(registration, Secrets(url=way.url, headers=headers), is_configured=True)
