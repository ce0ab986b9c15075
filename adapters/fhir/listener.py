"""The listener settings of a FHIR feed: address, tokens, limits."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from adapters.common.settings import Port, PortNumber, Section, is_loopback
from adapters.common.tokens import TokenHash
from adapters.fhir.limits import MAX_BODY_BYTES

Deed = Literal["encounter", "bundle", "message", "notification"]
ALL_DEEDS: Final[tuple[Deed, ...]] = ("encounter", "bundle", "message", "notification")


class Token(Section):
    """One sender's bearer token; it is good for this feed only."""

    name: str = Field(min_length=1, description="whose it is: for the counts, never secret")
    secret: TokenHash = Field(
        description="the token itself: write `${file:PATH}` or `${NAME}`; its hash is kept"
    )
    may: tuple[Deed, ...] = Field(ALL_DEEDS, description="what its bearer may send")


class FhirListener(Port):
    """One endpoint of its own, with base `/fhir`: nobody who reads ward lists shares its port."""

    port: PortNumber = Field(8090, description="port to listen on; 0 takes a free one")
    max_connections: int = Field(
        256, ge=1, description="one more, and the one that has been silent longest goes for it"
    )
    max_connections_per_peer: int = Field(
        128, ge=1, description="from one address, or one network (/64) of IPv6"
    )
    max_body_bytes: int = Field(
        MAX_BODY_BYTES, ge=1_024, le=MAX_BODY_BYTES, description="larger ones are refused with 413"
    )
    max_requests_per_s: float = Field(
        500.0, gt=0, description="beyond it senders get 429; up to so many may come at once"
    )
    max_waiting: int = Field(
        256,
        ge=1,
        description="requests on their way to the log, with what is still coming; beyond it senders get 503",
    )
    tokens: tuple[Token, ...] = Field(
        (), description="who may send; empty: whoever reaches the port, or shows a certificate"
    )

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> Self:
        shows_certificate = self.tls is not None and self.tls.client_ca_file is not None
        if not (self.tokens or shows_certificate or is_loopback(self.host)):
            raise ValueError(
                f"host {self.host!r} can be reached from other machines and nobody is asked who "
                "they are: give tokens, or tls with client_ca_file, or use 127.0.0.1"
            )
        return self
