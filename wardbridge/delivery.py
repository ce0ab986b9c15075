"""An installation's subscribers, from its configuration."""

from __future__ import annotations

import ssl
from pathlib import Path

from bus.port import Log
from bus.runner import StepRunner
from router.delivery.doorbell import Doorbell
from router.delivery.fanout import GROUP, FanOut
from router.delivery.sender import Sender, Terms
from router.delivery.signature import secret_of
from router.delivery.subscription import Subscription
from router.delivery.webhook import Endpoint, Webhook
from wardbridge.components.delivery import DeliveryComponent
from wardbridge.config.models import Installation
from wardbridge.config.subscribers import SubscriberSection, WebhookSection
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
            log, name, webhook_of(name, section.webhook, installation.data), terms_of(section),
            bell=doorbell.of(name) if doorbell else None,
        )
        for name, section in subscribers.items()
    ]  # fmt: skip
    return DeliveryComponent(log, fan_out, senders, doorbell)


def subscription_of(name: str, section: SubscriberSection) -> Subscription:
    """Who wants what."""
    return Subscription(
        name, frozenset(section.wards), frozenset(section.hospitals), frozenset(section.kinds)
    )


def terms_of(section: SubscriberSection) -> Terms:
    """How hard to try."""
    webhook = section.webhook
    return Terms(
        webhook.give_up_after_s,
        webhook.refused_after_s,
        webhook.first_pause_s,
        webhook.longest_pause_s,
        webhook.concurrency,
    )


def webhook_of(name: str, section: WebhookSection, data: Path) -> Webhook:
    """The channel; paths start from ``data``."""
    keys = [secret_of(secret.get_secret_value()) for secret in section.secrets]
    endpoint = Endpoint(section.url, keys, section.timeout_s, section.allow_private)
    return Webhook(name, endpoint, _tls(section, data))


def _tls(section: WebhookSection, data: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=_in(data, section.ca_file))
    if section.certificate_file and section.key_file:
        context.load_cert_chain(data / section.certificate_file, data / section.key_file)
    return context


def _in(data: Path, path: Path | None) -> str | None:
    return None if path is None else str(data / path)
