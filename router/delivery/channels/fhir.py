"""FHIR rest-hook: each notice is one notification Bundle, posted in the order of its number.

Source: Subscriptions R5 Backport 1.1.0, "REST-Hook". A handshake comes before the first notice and has
to be answered; heartbeats say, while there is nothing else to say, that we are still there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final, Self

from pydantic import Field, SecretStr, model_validator

from router.delivery.bundles import (
    Said,
    Speaker,
    State,
    SubscriptionStatus,
    as_bytes,
    event_notification,
    notification,
    status_of,
)
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.channels.kind import (
    ChannelContext,
    ChannelKind,
    Fault,
    Local,
    Named,
    Opening,
    UrlSettings,
    endpoint_of,
)
from router.delivery.headers import headers_of
from router.delivery.lanes import RetryTerms
from router.delivery.resources import FHIR_JSON
from schemas.fields import Level
from schemas.notification import Kind
from schemas.registration import Content

if TYPE_CHECKING:
    from router.delivery.posting import Poster

_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
"""Of a resource (http://hl7.org/fhir/R4/datatypes.html#id): the subscriber's name is one."""


class FhirAsked(UrlSettings):
    """A FHIR subscription, as its client may ask for it."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"url", "headers"})

    headers: tuple[SecretStr, ...] = Field(
        (), description="sent along with each, as `Authorization: Bearer …`"
    )
    content: Content = Field(
        Content.ID_ONLY, description="what is told: nothing, where to read it, or the Encounter"
    )
    heartbeat_s: float | None = Field(
        None, ge=1, description="after so long without a notice we say that we are there"
    )
    give_up_after_s: float = Field(
        3_600.0,
        gt=0,
        allow_inf_nan=False,
        description="taking nothing for so long, the subscription is in error",
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.sent_along()
        return self

    def sent_along(self) -> dict[str, str]:
        """The headers by name. Raises ValueError."""
        return headers_of(line.get_secret_value() for line in self.headers)

    def terms(self) -> RetryTerms:
        """How hard to try: one that takes nothing is in error, and nothing is parked for its age."""
        return replace(super().terms(), pauses=True)

    def check_told(self, kinds: Sequence[Kind], fields: Level) -> None:
        """Only the Encounter itself can hold more than the minimum."""
        del kinds
        if fields != "minimal" and self.content is not Content.FULL_RESOURCE:
            raise ValueError('fields: only `content = "full-resource"` holds more than the minimum')


class FhirChannelSettings(FhirAsked, Local):  # type: ignore[misc] # pydantic's plugin sees two bases
    """Notices go out as notifications of a FHIR R4 subscription (Subscriptions R5 Backport 1.1.0)."""


class RestHook:
    """One subscription's endpoint."""

    one_at_a_time = True
    keeps_visits = False
    """An Encounter is what one ward is told of a visit: two wards' are two resources."""

    def __init__(
        self, speaker: Speaker, settings: FhirAsked, poster: Poster, revision: int = 0
    ) -> None:
        self.endpoint = endpoint_of(settings.url, revision)
        self.heartbeat_s = settings.heartbeat_s
        self._speaker = speaker
        self._headers: Mapping[str, str] = {**settings.sent_along(), "Content-Type": FHIR_JSON}
        self._poster = poster

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """Make one attempt, within the time limit however slowly the other side answers."""
        body = event_notification(self._speaker, outgoing)
        return await self._poster.post(body, self._headers)

    async def test(self, number: str, at: datetime) -> AttemptResult:
        """A heartbeat: what FHIR has that is about nobody. It changes nothing, so it has no number."""
        del number
        return await self._say("heartbeat", SubscriptionStatus("active", None), at)

    async def handshake(self, reached: int) -> AttemptResult:
        """Ask whether the endpoint wants what was subscribed for it; once."""
        return await self._say(
            "handshake", SubscriptionStatus("requested", reached), datetime.now(UTC)
        )

    async def heartbeat(self, reached: int, state: State) -> AttemptResult:
        """Say that there is nothing else to say, or why nothing is said; once."""
        return await self._say("heartbeat", SubscriptionStatus(state, reached), datetime.now(UTC))

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    async def _say(self, said: Said, standing: SubscriptionStatus, at: datetime) -> AttemptResult:
        status = status_of(self._speaker, said, standing)
        body = as_bytes(notification(self._speaker, status, at, ()))
        return await self._poster.post(body, self._headers)


def _open(settings: FhirChannelSettings, opening: Opening) -> RestHook:
    speaker = Speaker(opening.fhir_base, opening.subscriber, settings.content)
    from router.delivery.posting import Poster  # noqa: PLC0415 - the client, which reading settings needs not

    poster = Poster(settings, settings.tls_context(opening.data))
    return RestHook(speaker, settings, poster, opening.revision)


def _faults(named: Named[FhirChannelSettings], around: ChannelContext) -> Iterator[Fault]:
    del around
    for name in named:
        if not _ID.fullmatch(name):
            yield name, None, "the name is the FHIR id: at most 64 letters, digits, '-' and '.'"


KIND: Final = ChannelKind(
    name="fhir",
    about="notifications of a FHIR subscription",
    settings=FhirChannelSettings,
    open=_open,
    asked=FhirAsked,
    by_name=False,
    faults=_faults,
)
