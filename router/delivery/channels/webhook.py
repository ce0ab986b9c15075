"""Webhooks: a CloudEvent in one HTTP POST, signed as Standard Webhooks says.

Format: CloudEvents 1.0 HTTP protocol binding, structured mode (section 3.2), with two extension
attributes, ``subscription`` and ``subscriptionsequence``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, SecretStr

from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.channels.kind import (
    ChannelKind,
    ChannelSettings,
    Local,
    Opening,
    UrlSettings,
    endpoint_of,
)
from router.delivery.lanes import RetryTerms
from router.delivery.signature import new_secret, secret_of, signed
from schemas.delivery import TOLD_SCHEMA_ID, SubscriberNotice, TestEvent, ToldData

if TYPE_CHECKING:
    from router.delivery.posting import Poster

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"


def _a_secret(secret: SecretStr) -> SecretStr:
    secret_of(secret.get_secret_value())
    return secret


Secret = Annotated[SecretStr, Field(max_length=200), AfterValidator(_a_secret)]


class WebhookAsked(UrlSettings):
    """A webhook, as it may be asked for."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"url", "secrets"})

    secrets: tuple[Secret, ...] = Field(
        (),
        max_length=5,
        description="each `whsec_…`; none: those it has, or a new one that is told once",
    )
    concurrency: int = Field(4, ge=1, le=64, description="attempts at one time")

    def _shown_there(self) -> str:
        return "signed"

    def terms(self) -> RetryTerms:
        """How hard to try."""
        return replace(super().terms(), concurrency=self.concurrency)

    def completed(self, before: ChannelSettings | None) -> tuple[Self, str | None]:
        """With the keys that sign by now, or a new one."""
        if self.secrets:
            return self, None
        if isinstance(before, WebhookAsked):
            return self.model_copy(update={"secrets": before.secrets}), None
        made = new_secret()
        return self.model_copy(update={"secrets": (SecretStr(made),)}), made


class WebhookSettings(WebhookAsked, Local):  # type: ignore[misc] # pydantic's plugin sees two bases
    """Notices go out as signed HTTP POSTs (Standard Webhooks, CloudEvents)."""

    secrets: tuple[Secret, ...] = Field(
        min_length=1,
        max_length=5,
        description="each `whsec_…`; all of them sign, so that they can be changed one by one",
    )


class Webhook:
    """One subscriber's endpoint. The newest key comes first; all of them sign."""

    one_at_a_time = False
    keeps_visits = False

    def __init__(self, subscriber: str, url: str, keys: Sequence[bytes], poster: Poster) -> None:
        self.endpoint = endpoint_of(url)
        self._subscriber = subscriber
        self._keys = keys
        self._poster = poster

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """Make one attempt, within the time limit however slowly the other side answers."""
        return await self._post(outgoing.notice.id, body_of(self._subscriber, outgoing))

    async def test(self, number: str, at: datetime) -> AttemptResult:
        """The same with an event about nobody."""
        event = TestEvent(id=number, time=at, subscription=self._subscriber)
        return await self._post(number, event.model_dump_json().encode())

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    async def _post(self, event: str, body: bytes) -> AttemptResult:
        headers = signed(self._keys, event, int(time.time()), body)
        return await self._poster.post(body, {"Content-Type": CONTENT_TYPE, **headers})


def body_of(subscriber: str, outgoing: Outgoing) -> bytes:
    """The CloudEvent as this subscriber gets it: the same bytes for the same notice, told the same besides."""
    return event_of(subscriber, outgoing).model_dump_json(exclude_none=True).encode()


def event_of(subscriber: str, outgoing: Outgoing) -> SubscriberNotice:
    """The same before it is written."""
    notice, beside = outgoing.notice, outgoing.beside
    said: dict[str, Any] = dict(notice)
    if beside.level != "minimal" or beside.incomplete:
        said["dataschema"] = TOLD_SCHEMA_ID
    said["data"] = ToldData(**{
        **dict(notice.data), "details": beside.details, "patient": beside.patient,
        "protected": notice.data.protected or beside.protected,
        "incomplete": True if beside.incomplete else None,
    })  # fmt: skip
    return SubscriberNotice(**said, subscription=subscriber, subscriptionsequence=outgoing.sequence)


def _open(settings: WebhookSettings, opening: Opening) -> Webhook:
    keys = [secret_of(secret.get_secret_value()) for secret in settings.secrets]
    from router.delivery.posting import Poster  # noqa: PLC0415 - the client, which reading settings needs not

    poster = Poster(settings, settings.tls_context(opening.data))
    return Webhook(opening.subscriber, settings.url, keys, poster)


KIND: Final = ChannelKind(
    name="webhook",
    about="signed HTTP POSTs",
    settings=WebhookSettings,
    open=_open,
    asked=WebhookAsked,
)
