"""The settings of a FHIR server to pull from: address, credentials, searches."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.common.settings import Section
from schemas.addresses import check_host, url_of

SINCE: Final = "{since}"
_PLACEHOLDER: Final = re.compile(r"\{[^}]*\}?")


def _an_address(url: str) -> str:
    check_host("the address", url_of("the address", url).host or "")
    return url


def _a_search(search: str) -> str:
    unknown = set(_PLACEHOLDER.findall(search)) - {SINCE}
    if unknown:
        raise ValueError(f"{min(unknown)!r} stands for nothing: only {SINCE} does")
    return search


Address = Annotated[str, AfterValidator(_an_address)]
Search = Annotated[str, AfterValidator(_a_search)]


class Backend(Section):
    """SMART backend services: a token for a signed assertion, renewed before it ends."""

    token_url: Address = Field(description="the authorisation server's token endpoint")
    client_id: str = Field(description="who we are there")
    key_file: str = Field(description="PEM: the private key that signs")
    key_id: str = Field(description="`kid` under which the server knows the public key")
    algorithm: Literal["RS384", "ES384"] = Field("RS384", description="as the key is")
    scope: str = Field(
        "system/Encounter.rs system/Patient.r system/Location.r system/Organization.r",
        description="what is asked for",
    )


class Remote(Section):
    """A server and the searches that are asked of it, again and again."""

    base_url: Address = Field(
        description="its base: references within it are followed, others never"
    )
    searches: tuple[Search, ...] = Field(
        (),
        description="each a search such as `Encounter?patient=123` or, where the server offers it, "
        "`Encounter?_lastUpdated=ge{since}`; `{since}` is the start of the last good round",
    )
    interval_s: float = Field(60.0, gt=0, le=86_400, description="from one round to the next")
    look_back_s: float = Field(
        86_400.0,
        ge=0,
        description="how far before the start the `{since}` of a search lies that was never asked",
    )
    overlap_s: float = Field(
        300.0, ge=0, description="how far each `{since}` lies before the last round: clocks differ"
    )
    page_size: int = Field(
        50,
        ge=1,
        le=1_000,
        description="`_count`; halved for a search whose page is more than a record of the log takes",
    )
    timeout_s: float = Field(30.0, gt=0, description="of one request")
    give_up_s: float = Field(300.0, gt=0, description="how long a failing request is tried again")
    cache_s: float = Field(
        3_600.0, ge=0, description="how long a Location or Organization is remembered"
    )
    token: SecretStr | None = Field(None, description="a bearer token that never changes")
    backend: Backend | None = Field(None, description="or a token by SMART backend services")

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.backend is not None:
            raise ValueError("give either token or backend")
        return self
