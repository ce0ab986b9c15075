"""An installation's subscribers, from its configuration and from the log."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from bus.port import Log
from bus.runner import StepRunner
from router.delivery import fhir, mllp
from router.delivery.bundles import Speaker
from router.delivery.channel import Answer, Channel, Outgoing
from router.delivery.dispatcher import Dispatcher
from router.delivery.fanout import GROUP, FanOut
from router.delivery.lanes import Terms
from router.delivery.owntopic import OwnTopic
from router.delivery.posting import Address
from router.delivery.sender import Sender
from router.delivery.signature import secret_of
from router.delivery.subscription import MayRead, every_ward
from router.delivery.webhook import Endpoint, Webhook
from schemas.fields import LevelAt, always
from schemas.registration import Registration
from schemas.topics import Topic, own_topic
from wardbridge.components.delivery import DeliveryComponent
from wardbridge.config.models import Installation
from wardbridge.config.subscribers import (
    ChannelSection,
    FhirSection,
    MllpSection,
    OwnTopicSection,
    SubscriberSection,
    WebhookSection,
)
from wardbridge.fields.lookup import Lookup
from wardbridge.log import make_own_topics, open_own_topic
from wardbridge.registrations import Registrations
from wardbridge.routing import REST_S, review_of_failure, review_of_notice
from wardbridge.sealing import SealError

Calling = WebhookSection | MllpSection | FhirSection
Way = Calling | OwnTopicSection


def delivery_of(
    log: Log,
    installation: Installation,
    now: Callable[[], datetime],
    port_offset: int = 0,
    lookup: Lookup | None = None,
) -> DeliveryComponent:
    """The fan-out and a sender for each subscriber. Raises OSError for an unusable certificate.

    ``lookup``: where somebody may be told more than the minimum, else nobody is.
    """
    registrations = Registrations.of(log, installation)
    base = installation.settings.http.fhir_base(port_offset)
    make_own_topics(log, installation)
    topic = partial(open_own_topic, installation)
    senders = _Senders(installation.data, base, registrations, lookup, topic)
    step = FanOut(lambda: registrations.subscriptions(now()))
    fan_out = StepRunner(log, GROUP, step, review_of_failure, rest_s=REST_S, prepare=step.prepare)

    def begin() -> None:
        registrations.begin(log)
        step.begin(log)

    configured = installation.settings.subscribers
    return DeliveryComponent(
        fan_out,
        Dispatcher(log, on_unreadable=review_of_notice),
        begin,
        [senders.configured(name, section) for name, section in configured.items()],
        wanted=lambda: registrations.told(now()),
        make=senders.registered,
    )


@dataclass(frozen=True, slots=True)
class _Senders:
    """Makes senders, each with its channel."""

    data: Path
    base: str
    registrations: Registrations
    lookup: Lookup | None
    open_topic: Callable[[Topic], Log]

    def configured(self, name: str, section: SubscriberSection) -> Sender:
        """Of the configuration. Raises OSError."""
        way = way_of(section)
        if isinstance(way, OwnTopicSection):
            topic = own_topic(name, way.keep_days)
            channel: Channel = OwnTopic(name, topic, self.open_topic, way.concurrency)
        else:
            channel = channel_of(name, way, self.data, self.base)
        return self._sender(name, channel, terms_of(way), level_at=always(section.fields))

    def registered(self, of: Registration) -> Sender:
        """Of the log; one that cannot be told says why, and is tried again and again."""
        try:
            way = self.registrations.way(of)
            channel = channel_of(of.name, way, self.data, self.base, of.revision)
            may_read = self.registrations.subscription(of).may_read
            level_at = self.registrations.level_at(of)
            return self._sender(of.name, channel, terms_of(way), may_read, level_at)
        except (SealError, ValueError, OSError) as error:
            reason = (
                str(error) if isinstance(error, SealError) else "its address is not allowed now"
            )
            return self._sender(of.name, _Unusable(reason), Terms(pauses=True))

    def _sender(
        self,
        name: str,
        channel: Channel,
        terms: Terms,
        may_read: MayRead = every_ward,
        level_at: LevelAt | None = None,
    ) -> Sender:
        fields = self.lookup.up_to(level_at) if self.lookup and level_at else None
        return Sender(name, channel, terms, may_read=may_read, fields=fields)


class _Unusable:
    """The channel of somebody to whom no way is known: every attempt fails, and says why."""

    endpoint = ""
    one_at_a_time = True
    keeps_visits = False

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def send(self, outgoing: Outgoing) -> Answer:
        """It cannot be."""
        del outgoing
        return Answer(self._reason)

    async def test(self, number: str, at: datetime) -> Answer:
        """Nor can this."""
        del number, at
        return Answer(self._reason)

    async def close(self) -> None:
        """Nothing is held."""


def terms_of(way: Way) -> Terms:
    """How hard to try."""
    return Terms(
        way.give_up_after_s,
        way.refused_after_s,
        way.first_pause_s,
        way.longest_pause_s,
        way.concurrency if isinstance(way, WebhookSection | OwnTopicSection) else 1,
        pauses=isinstance(way, FhirSection),
        others_tell=not isinstance(way, OwnTopicSection),  # a partition may be down by itself
    )


def way_of(section: SubscriberSection) -> Way:
    """The one that is configured."""
    way = section.webhook or section.mllp or section.fhir or section.kafka
    if way is None:
        raise ValueError("a subscriber without a way to it")
    return way


def channel_of(name: str, way: Calling, data: Path, base: str = "", revision: int = 0) -> Channel:
    """The channel to an address; paths start from ``data``, what FHIR refers to from ``base``. Raises OSError for an unusable certificate."""
    if isinstance(way, MllpSection):
        tls = _tls(way, data) if way.tls else None
        to = mllp.Endpoint(way.host, way.port, tls, way.timeout_s, way.allow_private)
        return mllp.Mllp(name, to, way.style())
    if isinstance(way, FhirSection):
        hook = fhir.Endpoint(address_of(way), way.sent_along(), way.heartbeat_s, revision)
        return fhir.RestHook(Speaker(base, name, way.content), hook, _tls(way, data))
    keys = [secret_of(secret.get_secret_value()) for secret in way.secrets]
    endpoint = Endpoint(way.url, keys, way.timeout_s, way.allow_private)
    return Webhook(name, endpoint, _tls(way, data))


def address_of(way: FhirSection) -> Address:
    """Where notifications go."""
    return Address(way.url, way.timeout_s, way.allow_private)


def _tls(section: ChannelSection, data: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=_in(data, section.ca_file))
    if section.certificate_file and section.key_file:
        context.load_cert_chain(data / section.certificate_file, data / section.key_file)
    return context


def _in(data: Path, path: Path | None) -> str | None:
    return None if path is None else str(data / path)
