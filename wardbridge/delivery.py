"""An installation's subscribers, from its configuration."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

from bus.port import Log
from bus.runner import StepRunner
from router.delivery import mllp
from router.delivery.attempts import Terms
from router.delivery.channel import Channel
from router.delivery.doorbell import Doorbell
from router.delivery.fanout import GROUP, FanOut
from router.delivery.sender import Sender
from router.delivery.signature import secret_of
from router.delivery.subscription import Subscription
from router.delivery.webhook import Endpoint, Webhook
from wardbridge.components.delivery import DeliveryComponent
from wardbridge.config.models import Installation
from wardbridge.config.subscribers import (
    ChannelSection,
    MllpSection,
    SubscriberSection,
    WebhookSection,
)
from wardbridge.log import is_on_kafka
from wardbridge.routing import REST_S, review_of_failure


def delivery_of(log: Log, installation: Installation) -> DeliveryComponent:
    """The fan-out and a sender for each subscriber. Raises OSError for an unusable certificate."""
    subscribers = installation.settings.subscribers
    subscriptions = [subscription_of(name, section) for name, section in subscribers.items()]
    step = FanOut(subscriptions)
    fan_out = StepRunner(log, GROUP, step, review_of_failure, rest_s=REST_S)
    # On Kafka each sender's own consumer waits best: it fetches ahead of being asked.
    doorbell = None if is_on_kafka(installation) else Doorbell(log)
    senders = [
        Sender(
            log, name, channel_of(name, way_of(section), installation.data), terms_of(section),
            bell=doorbell.of(name) if doorbell else None,
        )
        for name, section in subscribers.items()
    ]  # fmt: skip
    return DeliveryComponent(partial(step.begin, log), fan_out, senders, doorbell)


def subscription_of(name: str, section: SubscriberSection) -> Subscription:
    """Who wants what."""
    return Subscription(
        name, frozenset(section.wards), frozenset(section.hospitals), section.told()
    )


def terms_of(section: SubscriberSection) -> Terms:
    """How hard to try."""
    way = way_of(section)
    return Terms(
        way.give_up_after_s,
        way.refused_after_s,
        way.first_pause_s,
        way.longest_pause_s,
        way.concurrency if isinstance(way, WebhookSection) else 1,
    )


def way_of(section: SubscriberSection) -> WebhookSection | MllpSection:
    """The one that is configured."""
    way = section.webhook or section.mllp
    if way is None:
        raise ValueError("a subscriber without a way to it")
    return way


def channel_of(name: str, way: WebhookSection | MllpSection, data: Path) -> Channel:
    """The channel; paths start from ``data``. Raises OSError for an unusable certificate."""
    if isinstance(way, MllpSection):
        tls = _tls(way, data) if way.tls else None
        to = mllp.Endpoint(way.host, way.port, tls, way.timeout_s, way.allow_private)
        return mllp.Mllp(name, to, way.style())
    keys = [secret_of(secret.get_secret_value()) for secret in way.secrets]
    endpoint = Endpoint(way.url, keys, way.timeout_s, way.allow_private)
    return Webhook(name, endpoint, _tls(way, data))


def _tls(section: ChannelSection, data: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=_in(data, section.ca_file))
    if section.certificate_file and section.key_file:
        context.load_cert_chain(data / section.certificate_file, data / section.key_file)
    return context


def _in(data: Path, path: Path | None) -> str | None:
    return None if path is None else str(data / path)
