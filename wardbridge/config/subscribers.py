"""Who is told besides those who ask over HTTP: the tables `[subscribers.<name>]`."""

from __future__ import annotations

from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.common.settings import Section, is_loopback
from router.delivery.addresses import is_nobodys, is_public
from router.delivery.adt import TOLD, Charset, Pending, Style, Version
from router.delivery.headers import headers_of
from router.delivery.signature import secret_of
from schemas.fields import Level
from schemas.notification import Kind
from schemas.registration import Content
from schemas.topics import TOLD_DAYS


def _a_secret(secret: SecretStr) -> SecretStr:
    secret_of(secret.get_secret_value())
    return secret


def _check_called(url: SplitResult) -> None:
    """Refuse what no network would take, before a notice waits for it."""
    try:
        (url.hostname or "").encode("idna"), url.port  # both raise
    except ValueError:
        raise ValueError("url has a host or a port that cannot be called") from None


def _check_written(url: str) -> None:
    """Refuse what a client would leave out in silence: what is called is what stands there."""
    if " " in url or not url.isprintable():
        raise ValueError("url has a blank, a line break or a sign that cannot be printed")
    if "#" in url:
        raise ValueError("url has a fragment, which is never sent")


def _is_nobodys(host: str) -> bool:
    try:
        return is_nobodys(ip_address(host))
    except ValueError:
        return False


def _is_of_this_network(host: str) -> bool:
    """Whether it can be seen without asking for the name."""
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return is_loopback(host)


class PatienceSection(Section):
    """How hard every way tries."""

    first_pause_s: float = Field(1.0, gt=0, le=60, description="grows, at random, up to")
    longest_pause_s: float = Field(300.0, gt=0, le=3600, description="between two attempts")
    give_up_after_s: float = Field(
        259_200.0, gt=0, description="a notice not taken for so long is parked"
    )
    refused_after_s: float = Field(
        600.0,
        gt=0,
        description="or for so long while others are taken, or the answer is that it never will be "
        "(400, 413, 415, 422; AR, CR)",
    )


class ChannelSection(PatienceSection):
    """What every way to a receiver's address has."""

    timeout_s: float = Field(10.0, gt=0, le=120, description="of one attempt, to its whole answer")
    allow_private: bool = Field(
        default=False, description="the address may lie in this network or on this machine"
    )
    ca_file: Path | None = Field(None, description="PEM: whom to trust instead of the system's")
    certificate_file: Path | None = Field(None, description="PEM: shown to the receiver")
    key_file: Path | None = Field(None, description="PEM: key of the certificate")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        return self

    def check_network(self, key: str, host: str) -> None:
        """Raises ValueError where it can be seen that the address is not allowed."""
        if _is_nobodys(host):
            raise ValueError(f"{key} is link-local, multicast or unspecified: never called")
        if not self.allow_private and _is_of_this_network(host):
            raise ValueError(f"{key} is of this network: needs allow_private = true")


class UrlSection(ChannelSection):
    """What every way over HTTP has."""

    url: str = Field(description="where to; https, unless it is this machine")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        _check_written(self.url)
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url is the https address of the receiver")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("url: http lets everybody on the way read it; use https")
        if "@" in parts.netloc:  # it would be read back in clear, and contend with a header
            raise ValueError("url: no user or password in it; send them in a header")
        _check_called(parts)
        self.check_network("url", parts.hostname)
        return self


class WebhookSection(UrlSection):
    """Notices go out as signed HTTP POSTs (Standard Webhooks, CloudEvents)."""

    secrets: tuple[Annotated[SecretStr, AfterValidator(_a_secret)], ...] = Field(
        min_length=1,
        description="each `whsec_…`; all of them sign, so that they can be changed one by one",
    )
    concurrency: int = Field(4, ge=1, le=64, description="attempts at one time")


class FhirSection(UrlSection):
    """Notices go out as notifications of a FHIR R4 subscription (Subscriptions R5 Backport 1.1.0)."""

    headers: tuple[SecretStr, ...] = Field(
        (), description="sent along with each, as `Authorization: Bearer …`"
    )
    content: Content = Field(
        Content.ID_ONLY, description="what is told: nothing, where to read it, or the Encounter"
    )
    heartbeat_s: float | None = Field(
        None, ge=1, description="after so long without a notice we say that we are there"
    )
    owner: str = Field(
        "", description="the token that may read the subscription, its `$status` and its `$events`"
    )
    give_up_after_s: float = Field(
        3_600.0, gt=0, description="taking nothing for so long, the subscription is in error"
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.sent_along()
        return self

    def sent_along(self) -> dict[str, str]:
        """The headers by name. Raises ValueError."""
        return headers_of(line.get_secret_value() for line in self.headers)


def _is_ascii_name(name: str) -> str:
    if not (name.isascii() and name.isprintable()):
        raise ValueError("a name in MSH has plain letters, digits and signs")
    return name


MshName = Annotated[str, AfterValidator(_is_ascii_name), Field(max_length=180)]


class Hl7Receiver(Section):
    """Where HL7 v2 messages go, and how they are wanted."""

    host: str = Field(min_length=1, description="name or address of the receiver")
    port: int = Field(ge=1, le=65_535, description="its port")
    tls: bool = Field(default=True, description="without it everybody on the way reads along")
    pending: Pending = Field(
        "admission", description="what a notice is told as: A14 and A27, or `transfer`: A15 and A26"
    )
    sending_application: MshName = Field("WARDBRIDGE", description="MSH-3")
    sending_facility: MshName = Field("", description="MSH-4")
    receiving_application: MshName = Field("", description="MSH-5")
    receiving_facility: MshName = Field("", description="MSH-6")
    processing_id: Literal["P", "T", "D"] = Field(
        "P", description="MSH-11: production, training or debugging"
    )
    version: Version = Field("2.5.1", description="MSH-12")
    charset: Charset = Field("UNICODE UTF-8", description="MSH-18")
    patient_class: MshName = Field(
        "U", description="PV1-2, which a notice does not know: U says unknown"
    )

    def can_be_read_on_the_way(self) -> bool:
        """Whether messages cross a network as they are."""
        return not (self.tls or is_loopback(self.host))

    def style(self) -> Style:
        """How the receiver wants its messages."""
        return Style(**{name.name: getattr(self, name.name) for name in fields(Style)})


class MllpSection(Hl7Receiver, ChannelSection):
    """Notices go out as HL7 v2 messages, ADT^A14 and A27 or A15 and A26, over MLLP."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        self.check_network("host", self.host)
        if self.ca_file and not self.tls:
            raise ValueError("ca_file is of no use without tls")
        return self


class OwnTopicSection(PatienceSection):
    """Notices are written to a Kafka topic of the subscriber's own, `told.<name>` behind the prefix, on the cluster of `[log.kafka]`."""

    keep_days: int = Field(
        TOLD_DAYS, ge=1, le=31, description="how long they are kept there: names may be in them"
    )
    concurrency: int = Field(4, ge=1, le=64, description="wards written for at one time")


class SubscriberSection(Section):
    """A system that is told. Without wards and hospitals of all wards, without kinds of all."""

    wards: tuple[str, ...] = Field((), description="ward ids")
    hospitals: tuple[str, ...] = Field((), description="hospitals as the ward register names them")
    kinds: tuple[Kind, ...] = Field((), description="kinds of notices")
    fields: Level = Field(
        "minimal",
        description="what it is told: `minimal`: visit, ward, times; `operational`: also where from; "
        "`identified`: also who it is, protected persons too (needs `keep` in `[identities]`)",
    )
    webhook: WebhookSection | None = Field(None, description="one way to it")
    mllp: MllpSection | None = Field(None, description="another")
    fhir: FhirSection | None = Field(None, description="a third")
    kafka: OwnTopicSection | None = Field(None, description="a fourth")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.webhook, self.mllp, self.fhir, self.kafka)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of the tables webhook, mllp, fhir and kafka")
        if self.mllp and not TOLD.issuperset(self.kinds):
            raise ValueError("kinds: there is no pending event for `arrived`; see mllp")
        if self.mllp and self.mllp.can_be_read_on_the_way() and self.fields == "identified":
            raise ValueError("fields: without tls everybody on the way would read who it is")
        if (
            self.fhir
            and self.fields != "minimal"
            and self.fhir.content is not Content.FULL_RESOURCE
        ):
            raise ValueError('fields: only `content = "full-resource"` holds more than the minimum')
        return self

    def told(self) -> frozenset[Kind]:
        """The kinds that are queued for it; none for all."""
        return frozenset(self.kinds) or (TOLD if self.mllp else frozenset())
