"""Builds delivery from the configuration and the registrations in the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from bus.port import Log
from bus.runner import StepRunner
from bus.tls import TlsFileError
from router.delivery.channel import AttemptResult, Channel, Outgoing
from router.delivery.channels import KINDS
from router.delivery.channels.kind import ChannelSettings, Opening
from router.delivery.dispatcher import Dispatcher
from router.delivery.fanout import GROUP, FanOut
from router.delivery.lanes import RetryTerms
from router.delivery.sender import Sender
from router.delivery.subscription import MayRead, every_ward
from schemas.fields import LevelAt, always
from schemas.registration import Registration
from wardbridge.config.models import Installation
from wardbridge.logstore.log import open_own_topic
from wardbridge.readmodels.disclosure_lookup import DisclosureLookup
from wardbridge.routing.step import REST_S, review_of_failure, review_of_notice
from wardbridge.runtime.delivering import DeliveryComponent
from wardbridge.security.sealing import SealError
from wardbridge.subscriptions.registrations import Registrations


def delivery_of(
    log: Log,
    installation: Installation,
    now: Callable[[], datetime],
    port_offset: int = 0,
    lookup: DisclosureLookup | None = None,
) -> DeliveryComponent:
    """The fan-out and a sender for each subscriber.

    ``lookup``: where somebody may be told more than the minimum, else nobody is.
    """
    registrations = Registrations.of(log, installation)
    base = installation.settings.http.fhir_base(port_offset)
    senders = _Senders(registrations, installation, base, lookup)
    step = FanOut(lambda: registrations.subscriptions(now()))
    fan_out = StepRunner(log, GROUP, step, review_of_failure, rest_s=REST_S, prepare=step.prepare)

    def begin() -> None:
        registrations.begin(log)
        step.begin(log)

    return DeliveryComponent(
        fan_out,
        Dispatcher(log, on_unreadable=review_of_notice),
        begin,
        [senders.configured(name) for name in installation.settings.subscribers],
        wanted=lambda: registrations.told(now()),
        make=senders.registered,
    )


class _Senders:
    """Makes senders, each with its channel."""

    def __init__(
        self,
        registrations: Registrations,
        installation: Installation,
        fhir_base: str,
        lookup: DisclosureLookup | None,
    ) -> None:
        self._registrations = registrations
        self._installation = installation
        self._fhir_base = fhir_base
        self._lookup = lookup

    def configured(self, name: str) -> Sender:
        """Of the configuration; one whose certificates cannot be used says so, and all others are told."""
        section = self._installation.settings.subscribers[name]
        try:
            channel = self._opened(name, section.channel, section.settings)
        except TlsFileError as error:
            return _unusable(name, str(error))
        return self._sender(name, channel, section.settings.terms(), always(section.fields))

    def registered(self, of: Registration) -> Sender:
        """Of the log; one that cannot be told says why, and is tried again and again."""
        try:
            settings = self._registrations.settings(of)
            channel = self._opened(of.name, of.channel, settings, of.revision)
        except (SealError, ValueError, OSError) as error:
            reason = (
                str(error) if isinstance(error, SealError) else "its address is not allowed now"
            )
            return _unusable(of.name, reason)
        may_read = self._registrations.subscription(of).may_read
        level_at = self._registrations.level_at(of)
        return self._sender(of.name, channel, settings.terms(), level_at, may_read)

    def _opened(
        self, name: str, channel: str, settings: ChannelSettings, revision: int = 0
    ) -> Channel:
        open_topic = partial(open_own_topic, self._installation)
        data = self._installation.data
        return KINDS[channel].open(
            settings, Opening(name, data, self._fhir_base, revision, open_topic)
        )

    def _sender(
        self,
        name: str,
        channel: Channel,
        terms: RetryTerms,
        level_at: LevelAt,
        may_read: MayRead = every_ward,
    ) -> Sender:
        fields = self._lookup.up_to(level_at) if self._lookup else None
        return Sender(name, channel, terms, may_read=may_read, fields=fields)


def _unusable(name: str, reason: str) -> Sender:
    """Nothing of what waits is given up."""
    return Sender(name, _Unusable(reason), RetryTerms(pauses=True))


class _Unusable:
    """The channel of somebody to whom no way is known: every attempt fails, and says why."""

    endpoint = ""
    one_at_a_time = True
    keeps_visits = False

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """It cannot be."""
        del outgoing
        return AttemptResult(self._reason)

    async def test(self, number: str, at: datetime) -> AttemptResult:
        """Nor can this."""
        del number, at
        return AttemptResult(self._reason)

    async def close(self) -> None:
        """Nothing is held."""
