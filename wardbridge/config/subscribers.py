"""Who is told besides those who ask over HTTP: the tables `[subscribers.<name>]`."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.common.settings import Section, is_loopback
from router.delivery.addresses import is_public
from router.delivery.signature import secret_of
from schemas.notification import Kind


def _a_secret(secret: SecretStr) -> SecretStr:
    secret_of(secret.get_secret_value())
    return secret


def _check_called(url: SplitResult) -> None:
    """Refuse what no network would take, before a notice waits for it."""
    try:
        (url.hostname or "").encode("idna"), url.port  # both raise
    except ValueError:
        raise ValueError("url has a host or a port that cannot be called") from None


def _is_of_this_network(host: str) -> bool:
    """Whether it can be seen without asking for the name."""
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return is_loopback(host)


class WebhookSection(Section):
    """Notices go out as signed HTTP POSTs (Standard Webhooks, CloudEvents)."""

    url: str = Field(description="where to; https, unless it is this machine")
    secrets: tuple[Annotated[SecretStr, AfterValidator(_a_secret)], ...] = Field(
        min_length=1,
        description="each `whsec_…`; all of them sign, so that they can be changed one by one",
    )
    timeout_s: float = Field(10.0, gt=0, le=120, description="of one attempt, to its whole answer")
    concurrency: int = Field(4, ge=1, le=64, description="attempts at one time")
    first_pause_s: float = Field(1.0, gt=0, le=60, description="grows, at random, up to")
    longest_pause_s: float = Field(300.0, gt=0, le=3600, description="between two attempts")
    give_up_after_s: float = Field(
        259_200.0, gt=0, description="a notice not taken for so long is parked"
    )
    refused_after_s: float = Field(
        600.0,
        gt=0,
        description="or for so long while others are taken, or the answer is 400, 413, 415 or 422",
    )
    allow_private: bool = Field(
        default=False, description="the address may lie in this network or on this machine"
    )
    ca_file: Path | None = Field(None, description="PEM: whom to trust instead of the system's")
    certificate_file: Path | None = Field(None, description="PEM: shown to the receiver")
    key_file: Path | None = Field(None, description="PEM: key of the certificate")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url is the https address of the receiver")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("url: http lets everybody on the way read it; use https")
        _check_called(parts)
        if not self.allow_private and _is_of_this_network(parts.hostname):
            raise ValueError("url is of this network: needs allow_private = true")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        return self


class SubscriberSection(Section):
    """A system that is told. Without wards and hospitals of all wards, without kinds of all."""

    wards: tuple[str, ...] = Field((), description="ward ids")
    hospitals: tuple[str, ...] = Field((), description="hospitals as the ward register names them")
    kinds: tuple[Kind, ...] = Field((), description="kinds of notices")
    webhook: WebhookSection = Field(description="the way to it")
