"""Lists every way in and out of an installation: who is authenticated there, and whether it is encrypted.

One function lists them; ``wardbridge check`` prints the list and warns of those that stand open, the service
logs it when it starts, and the documentation shows it for the examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from adapters.common.door import (
    ENCRYPTED,
    NOBODY_ASKED,
    PLAIN,
    SHOWS_NOTHING,
    Door,
    OpenDoor,
    address_of,
)
from adapters.common.settings import is_loopback
from wardbridge.config.access import AccessSection
from wardbridge.config.kinds import KINDS
from wardbridge.config.log import KafkaSection
from wardbridge.config.models import HttpSection, Installation
from wardbridge.config.problems import Place

__all__ = ["Door", "doors"]


def doors(installation: Installation) -> tuple[Door, ...]:
    """All of them, in the order of the configuration's tables."""
    settings = installation.settings
    found = [*_log(installation), *_http(settings.http)]
    for feed in installation.feeds:
        own = KINDS[feed.kind].doors(feed.settings)
        found += [door.below("feeds", feed.identity.name) for door in own]
    for name, subscriber in settings.subscribers.items():
        door = subscriber.settings.door(name)
        found.append(door.below("subscribers", name, subscriber.channel))
    return tuple(found)


# -- the log


def _log(installation: Installation) -> Iterator[Door]:
    cluster = installation.settings.log.kafka
    if cluster is None:
        return
    yield _cluster(cluster)
    if cluster.registry is not None:
        host = urlsplit(cluster.registry.url).hostname or ""
        is_plain = cluster.registry.url.startswith("http:")
        yield Door(
            ("log", "kafka", "registry"), "schema registry", "out", cluster.registry.url,
            "our password or token" if cluster.registry.username or cluster.registry.token else SHOWS_NOTHING,
            PLAIN if is_plain else ENCRYPTED,
            (OpenDoor("url", "whoever is on the way can change the schemas; use https"),)
            if is_plain and not is_loopback(host) else (),
        )  # fmt: skip


def _cluster(cluster: KafkaSection) -> Door:
    is_near = all(is_loopback(each.rpartition(":")[0].strip("[]")) for each in cluster.brokers)
    open_to = []
    if cluster.tls is None and not is_near:
        text = (
            "without [log.kafka.tls] everybody on the way reads every message and name in the log"
        )
        if cluster.sasl is not None:
            text += ", and can act as us" if cluster.bares_secrets() else ""
        open_to.append(OpenDoor("tls", f"{text}: give it"))
    if cluster.sasl is None and not is_near and not _shows_certificate(cluster):
        text = (
            "the brokers are not told who we are, so that they cannot refuse others: give it, or "
            "certificate_file in [log.kafka.tls]"
        )
        open_to.append(OpenDoor("sasl", text))
    asks = f"SASL {cluster.sasl.mechanism}" if cluster.sasl else "our certificate"
    return Door(
        ("log", "kafka"), "the log's brokers", "out", ", ".join(cluster.brokers),
        asks if cluster.sasl or _shows_certificate(cluster) else SHOWS_NOTHING,
        ENCRYPTED if cluster.tls is not None else PLAIN, tuple(open_to),
    )  # fmt: skip


def _shows_certificate(cluster: KafkaSection) -> bool:
    return cluster.tls is not None and cluster.tls.certificate_file is not None


# -- the port of lists, streams and probes


def _http(http: HttpSection) -> Iterator[Door]:
    place: Place = ("http",)
    is_near, access = is_loopback(http.host), http.access
    by_certificate = http.tls is not None and http.tls.is_required
    open_to = []
    if access is None and not by_certificate and not is_near:
        text = "whoever reaches the port reads every ward's list, health and metrics: give [http.access]"
        open_to.append(OpenDoor("allow_unauthenticated", text))
    if http.tls is None and not is_near:
        text = (
            "without it lists and tokens can be read on the way, unless a proxy in front of the port "
            "encrypts, and browsers do not sign in: give it, or listen on 127.0.0.1 behind the proxy"
        )
        open_to.append(OpenDoor("tls", text))
    asks = _asked(access) or ("a certificate of client_ca_file" if by_certificate else NOBODY_ASKED)
    yield Door(
        place, "lists, streams, subscriptions, health, metrics", "in", address_of(http.host, http.port), asks,
        _encrypted(http.tls is not None), tuple(open_to),
    )  # fmt: skip
    yield Door(
        place, "probes (/livez, /readyz), the board's page, what is offered (/fhir/metadata, /openapi.json)",
        "in", address_of(http.host, http.port), "nobody is asked, and nobody is named",
        _encrypted(http.tls is not None),
    )  # fmt: skip
    if access is not None and access.oidc is not None:
        url = access.oidc.jwks_url
        is_plain = url.startswith("http:")
        yield Door(
            ("http", "access", "oidc", "jwks_url"), "the identity provider's keys", "out", url,
            SHOWS_NOTHING, PLAIN if is_plain else ENCRYPTED,
        )  # fmt: skip


def _asked(access: AccessSection | None) -> str:
    if access is None:
        return ""
    known = [(len(access.tokens), "token"), (len(access.certificates), "certificate")]
    parts = [f"{count} {name}{'s' * (count > 1)}" for count, name in known if count]
    return ", ".join([*parts, *(["an identity provider"] if access.oidc else [])])


def _encrypted(is_so: bool) -> str:  # noqa: FBT001 - one word or another
    return ENCRYPTED if is_so else PLAIN
