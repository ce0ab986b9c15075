"""What may stand in the configuration file. Unknown keys are errors; units are in the names.

What is special to one kind of feed is checked by its adapter's own model (``wardbridge.ingest``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from adapters.common.feed import FeedIdentity
from adapters.common.limits import (
    CONNECTIONS_BESIDE_STREAMS,
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_OF_ONE_PEER,
)
from adapters.common.settings import Section, ZoneName, is_loopback
from router.core.fulfilment import FulfilledBy, Fulfilment
from schemas.authority import Authority, AuthorityEntry, Scope
from schemas.base import Utc
from schemas.fields import Level, reaches
from schemas.ward import WardRegister
from wardbridge.config.access import AccessSection, HttpTls
from wardbridge.config.log import LogSection
from wardbridge.config.problems import ConfigProblem
from wardbridge.config.subscribers import SubscriberSection

PATIENT_KEY_NAME: Final = "patient.key"
SEAL_NAME: Final = "subscribers.key"
"""Files of secrets, below the data folder, where the configuration names none."""


class RealmSection(Section):
    """A set of hospitals that share patients."""

    hospitals: tuple[str, ...] = Field(
        (), description="hospitals as the ward register names them; empty: any"
    )
    fulfilled_by: FulfilledBy = Field(
        "place",
        description="what ends the wait for a patient: `place`, they lie on the ward; `responsible`, "
        "the ward is responsible, wherever they lie",
    )
    fulfilled_by_hospital: Mapping[str, FulfilledBy] = Field(
        {}, description="the hospitals that do otherwise"
    )

    def fulfilment(self, register: WardRegister) -> Fulfilment:
        """What counts for each ward."""
        chosen = self.fulfilled_by_hospital
        wards = {w.id: chosen[w.hospital] for w in register.wards.values() if w.hospital in chosen}
        return Fulfilment(self.fulfilled_by, wards)


class SourceSection(Section):
    """A system that makes claims about patients."""

    description: str = Field("", description="for people: which system this is")


class FeedSection(Section):
    """One connection from a source. The keys of its kind stand beside these."""

    kind: str = Field(description="which adapter reads it; see the kinds below")
    source: str = Field(description="a name from `[sources]`")
    realm: str = Field("", description="a name from `[realms]`; empty where there is only one")
    profile_file: Path | None = Field(
        None,
        description="TOML file with the keys of `profile`, for several feeds; what stands in the "
        "feed's own `profile` too is taken from there, field by field",
    )


class WardsSection(Section):
    """The ward register: the only place where a ward code is resolved."""

    register_file: Path | None = Field(
        None, alias="register", description="CSV file with the wards: a closed register"
    )
    open: bool = Field(
        default=False,
        description="each ward code stands for itself: for the lab and foreign messages only",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.open == (self.register_file is not None):
            raise ValueError('give either register = "wards.csv" or open = true')
        return self


class TimelineEntry(Section):
    """One entry of a timeline: who is believed, from when."""

    short: ClassVar[str] = "a name from `[sources]`, or a list of tables"

    source: str = Field(description="a name from `[sources]`")
    effective_at: Utc | None = Field(None, description="from when, with offset; none: since ever")


def _as_timeline(value: object) -> object:
    return ({"source": value},) if isinstance(value, str) else value


Timeline = Annotated[tuple[TimelineEntry, ...], BeforeValidator(_as_timeline)]
"""A source's name, or a list of entries; the latest that is in effect wins."""


class AuthoritySection(Section):
    """Which source is believed in one realm. A ward's entry wins over its hospital's."""

    default: Timeline = Field(description="for all wards without an entry of their own")
    hospitals: Mapping[str, Timeline] = Field({}, description="by hospital")
    wards: Mapping[str, Timeline] = Field({}, description="by ward id")

    def timeline(self, realm: str) -> Authority:
        """The realm's whole timeline as one value."""
        entries = tuple(
            AuthorityEntry(
                scope=scope, name=name, source=entry.source, effective_at=entry.effective_at
            )
            for scope, name, line in self._lines()
            for entry in line
        )
        return Authority(realm=realm, entries=entries)

    def named_sources(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Each source that is named, with the key it stands at."""
        for scope, name, line in self._lines():
            place = (f"{scope}s", name) if name else ("default",)
            for entry in line:
                yield place, entry.source

    def _lines(self) -> Iterator[tuple[Scope, str, tuple[TimelineEntry, ...]]]:
        yield "realm", "", self.default
        for hospital, line in self.hospitals.items():
            yield "hospital", hospital, line
        for ward, line in self.wards.items():
            yield "ward", ward, line


class RouterSection(Section):
    """The router: what it keeps, and how often it is told the time."""

    keep_closed_days: int = Field(
        30, ge=1, le=3650, description="a closed visit is kept so long; then late news is too late"
    )
    tick_interval_s: float = Field(
        10.0, gt=0, le=3600, description="how often time enters the log: authority moves by it"
    )
    stalled_after_s: float = Field(
        30.0, gt=0, le=3600,
        description="standing still for so long at records that wait, it is reported as stalled",
    )  # fmt: skip


def _an_address(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address or network: write one like 10.0.0.0/8") from None
    return text


class HttpSection(Section):
    """The HTTP surface: ward lists, streams, health, metrics."""

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(8080, ge=1, le=65535, description="port to listen on")
    allow_unauthenticated: bool = Field(
        default=False,
        description="listen beyond this machine although nobody is asked who they are",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+[^\s?#/]$",
        description="how others reach the port, as `https://wardbridge.example`: FHIR notifications "
        "refer to it; none: host and port",
    )
    heartbeat_s: float = Field(
        15.0, gt=0, le=300, description="a silent stream sends a comment so often"
    )
    max_streams: int = Field(
        4_000, ge=1, le=60_000, description="open at once; one more is answered 503"
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_an_address)], ...] = Field(
        ("127.0.0.1", "::1"),
        description="addresses or networks of proxies in front: where a request comes from, for the audit, is "
        "taken from their `X-Forwarded-For`",
    )  # fmt: skip
    max_streams_per_reader: int = Field(
        1_000, ge=1, le=60_000,
        description="of these, with one token, certificate or person: no screen takes those of all others",
    )  # fmt: skip
    max_connections: int = Field(
        HTTP_CONNECTIONS, ge=50, le=60_000,
        description="open at once, streams among them; one more, and the one that has been silent longest "
        "between two requests, or amid one, goes for it",
    )  # fmt: skip
    max_connections_per_peer: int = Field(
        HTTP_CONNECTIONS_OF_ONE_PEER, ge=1, le=60_000,
        description="from one address, or one network (/64) of IPv6: a proxy has the streams of all behind it",
    )  # fmt: skip
    zone: ZoneName = Field(
        "Europe/Stockholm", description="whose midnight ends the day, for who leaves today"
    )
    tls: HttpTls | None = Field(None, description="without it the port is not encrypted")
    access: AccessSection | None = Field(None, description="without it nobody is asked")

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> Self:
        is_asked = self.access is not None or (self.tls is not None and self.tls.is_required)
        if not (is_loopback(self.host) or is_asked or self.allow_unauthenticated):
            raise ValueError(
                f"host {self.host!r} can be reached from other machines and nobody is asked who "
                "they are: give [http.access], or use 127.0.0.1, or say "
                "allow_unauthenticated = true"
            )
        return self

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.access and self.allow_unauthenticated:
            raise ValueError("allow_unauthenticated = true contradicts [http.access]")
        trusts = self.tls is not None and self.tls.client_ca_file is not None
        if self.access and self.access.certificates and not trusts:
            raise ValueError("access.certificates needs client_ca_file in [http.tls]")
        if self.tls and self.tls.client_certificate == "optional" and not self.access:
            raise ValueError('client_certificate = "optional" needs [http.access]')
        return self

    @model_validator(mode="after")
    def _has_room_beside_streams(self) -> Self:
        least = self.max_streams + CONNECTIONS_BESIDE_STREAMS
        if self.max_connections < least:
            raise ValueError(
                f"max_connections: lists and probes need room beside {self.max_streams} streams "
                f"(max_streams): give {least} or more, or fewer streams"
            )
        return self

    def fhir_base(self, port_offset: int) -> str:
        """Where the FHIR surface is, for those who are told of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        own = f"http{'s' if self.tls else ''}://{host}:{self.port + port_offset}"
        return f"{self.public_url or own}/fhir"


class PrivacySection(Section):
    """Secrets that keep numbers of patients out of keys."""

    patient_key_file: Path | None = Field(
        None, description="secret of the patient keys; none: `patient.key`, made on the first run"
    )


class RegistrationsSection(Section):
    """Subscribers that register themselves over HTTP, or are registered there by those who operate."""

    allow_private: bool = Field(
        default=False, description="their addresses may lie in this network or on this machine"
    )
    max_per_owner: int = Field(20, ge=1, le=1_000, description="of one token or certificate")
    ca_file: Path | None = Field(
        None, description="PEM: whom to trust as a receiver instead of the system's"
    )
    key_file: Path | None = Field(
        None,
        description="secret that seals their addresses and credentials; none: `subscribers.key`, made "
        "at the first registration",
    )


class IdentitiesSection(Section):
    """Who the patients are: numbers, names, dates of birth, sexes."""

    keep: bool = Field(
        default=False,
        description='keep it while a visit is open, for who sees `fields = "identified"`; false: what '
        "was kept is removed at the next start",
    )
    forget_after_days: int = Field(
        7, ge=1, le=365,
        description="of whom no visit is planned or open, it is removed so long after the last word",
    )  # fmt: skip


class ReviewSection(Section):
    """What could not be understood and waits for a person."""

    keep_settled_days: int = Field(
        30, ge=1, le=365,
        description="an item is kept, and its bytes with it, while it is open and so long after its end",
    )  # fmt: skip


class ShutdownSection(Section):
    """How the service ends when it is told to."""

    drain_s: float = Field(
        10.0, gt=0, le=300, description="longest time to finish what was acknowledged"
    )


class Settings(Section):
    """The whole file, but for the settings of each kind of feed."""

    log: LogSection = Field(LogSection(), description="the log")
    realms: Mapping[str, RealmSection] = Field(min_length=1, description="realms by name")
    sources: Mapping[str, SourceSection] = Field(min_length=1, description="sources by name")
    feeds: Mapping[str, FeedSection] = Field(min_length=1, description="feeds by name")
    wards: WardsSection = Field(description="the ward register")
    authority: Mapping[str, AuthoritySection] = Field({}, description="authority by realm")
    router: RouterSection = Field(RouterSection(), description="the router")
    subscribers: Mapping[str, SubscriberSection] = Field(
        {}, description="who is told besides those who ask, by name"
    )
    registrations: RegistrationsSection = Field(
        RegistrationsSection(), description="subscribers that are registered over HTTP"
    )
    http: HttpSection = Field(HttpSection(), description="the HTTP surface")
    privacy: PrivacySection = Field(PrivacySection(), description="secrets")
    identities: IdentitiesSection = Field(IdentitiesSection(), description="who the patients are")
    review: ReviewSection = Field(ReviewSection(), description="what waits for a person")
    shutdown: ShutdownSection = Field(ShutdownSection(), description="how the service ends")

    def gives(self, level: Level) -> bool:
        """Whether anybody is told so much."""
        is_seen = self.http.access is not None and self.http.access.gives(level)
        return is_seen or any(reaches(each.fields, level) for each in self.subscribers.values())


@dataclass(frozen=True, slots=True)
class Feed:
    """One configured feed: who it is, which kind, and the kind's own settings.

    ``clears``: the claims that an input takes back by leaving them out.
    """

    identity: FeedIdentity
    kind: str
    settings: BaseModel
    clears: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Installation:
    """A configuration that holds together, and the folder that its paths start from."""

    file: Path
    data: Path
    settings: Settings
    feeds: tuple[Feed, ...]
    register: WardRegister
    warned: tuple[ConfigProblem, ...] = ()
    """What works and is still not right for patients, each with its file and line."""
    damage: tuple[ConfigProblem, ...] = ()
    """Why the configured register cannot be used, where the one of the last good start is used instead."""

    def warnings(self) -> list[str]:
        """The same as texts, each with its key."""
        return [": ".join(filter(None, (each.key, each.text))) for each in self.warned]
