"""The registry interface of channels: settings, checks, and how a channel is opened."""

from __future__ import annotations

import hashlib
import ssl
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NamedTuple, Self, TypeVar

from pydantic import Field, model_validator

from bus.port import Log
from bus.tls import PemFiles, client_context
from router.delivery.channel import Channel
from router.delivery.lanes import RetryTerms
from schemas.addresses import check_host, is_loopback, url_of
from schemas.base import Section
from schemas.door import ENCRYPTED, PLAIN, SHOWS_CERTIFICATE, SHOWS_NOTHING, Door, OpenDoor
from schemas.fields import Level
from schemas.notification import Kind
from schemas.topics import Topic

ENDPOINT_DIGITS: Final = 16
Settings = TypeVar("Settings", bound="ChannelSettings")


class ChannelSettings(Section):
    """What every channel has: how hard it tries."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """What is not read back: addresses, which may hold a token, and secrets."""

    first_pause_s: float = Field(1.0, gt=0, le=60, description="grows, at random, up to")
    longest_pause_s: float = Field(300.0, gt=0, le=3600, description="between two attempts")
    give_up_after_s: float = Field(
        259_200.0, gt=0, allow_inf_nan=False, description="a notice not taken for so long is parked"
    )
    refused_after_s: float = Field(
        600.0,
        gt=0,
        allow_inf_nan=False,
        description="or for so long while others are taken, or the answer is that it never will be "
        "(400, 413, 415, 422; AR, CR)",
    )
    fields_within_s: float = Field(
        10.0,
        ge=0,
        le=600,
        description="how long a notice waits for the fields beside it; then it is sent without them",
    )

    def terms(self) -> RetryTerms:
        """How hard to try."""
        return RetryTerms(
            give_up_after_s=self.give_up_after_s, refused_after_s=self.refused_after_s,
            first_pause_s=self.first_pause_s, longest_pause_s=self.longest_pause_s,
            fields_within_s=self.fields_within_s,
        )  # fmt: skip

    def told(self, kinds: Sequence[Kind]) -> frozenset[Kind]:
        """The kinds that are queued; none for all."""
        return frozenset(kinds)

    def check_told(self, kinds: Sequence[Kind], fields: Level) -> None:
        """Raises ValueError where the channel cannot tell that, or must not."""

    @abstractmethod
    def door(self, subscriber: str) -> Door:
        """The way out of the installation, and what stands open there."""

    def completed(self, before: ChannelSettings | None) -> tuple[Self, str | None]:
        """With the secrets that it has by now, or a new one, where none was given; and the new one."""
        del before
        return self, None

    def shown(self) -> dict[str, Any]:
        """What may be read back."""
        said = self.model_dump(mode="json", exclude=set(self.HIDDEN))
        return {name: value for name, value in said.items() if value is not None}


class CalledSettings(ChannelSettings):
    """What every channel to a receiver's address has, whoever asks for it."""

    timeout_s: float = Field(10.0, gt=0, le=120, description="of one attempt, to its whole answer")


class Local(Section):
    """What only those who operate may say of an address: nobody can ask for it over HTTP."""

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

    def tls_context(self, data: Path) -> ssl.SSLContext:
        """Paths start from ``data``. Raises TlsFileError where a file cannot be used."""
        return _context(data, self.ca_file, self.certificate_file, self.key_file)


@lru_cache(maxsize=64)  # most subscribers trust alike, and reading what a system trusts takes long
def _context(
    data: Path, ca_file: Path | None, certificate_file: Path | None, key_file: Path | None
) -> ssl.SSLContext:
    ca, certificate, key = (
        data / file if file else None for file in (ca_file, certificate_file, key_file)
    )
    return client_context(PemFiles(ca, certificate, key))


class UrlSettings(CalledSettings):
    """What every channel over HTTP has."""

    url: str = Field(max_length=2_000, description="where to; https, unless it is this machine")

    @model_validator(mode="after")
    def _called(self) -> Self:
        host = url_of("url", self.url).host or ""
        check_host("url", host, allow_private=getattr(self, "allow_private", True))
        return self

    def door(self, subscriber: str) -> Door:
        """Scheme, host and port: a path may be a secret."""
        del subscriber
        url = url_of("url", self.url)
        is_plain, is_near = url.scheme == "http", is_loopback(url.host or "")
        open_to = OpenDoor("url", "http lets everybody on the way read it; use https")
        return Door(
            (), "notices", "out", str(url.origin()), self._shown_there(),
            PLAIN if is_plain else ENCRYPTED, (open_to,) if is_plain and not is_near else (),
        )  # fmt: skip

    def _shown_there(self) -> str:
        return shown_to(self)


class Opening(NamedTuple):
    """What a channel is opened with besides its settings."""

    subscriber: str
    data: Path = Path()
    """Where relative paths start."""
    fhir_base: str = ""
    """Where the FHIR surface of this service is."""
    revision: int = 0
    """Grows with every change of a registration: then it is another endpoint, and is greeted anew."""
    open_topic: Callable[[Topic], Log] | None = None
    """Gives a log of one topic, which is made where it is not there. Raises LogError."""


class ChannelContext(NamedTuple):
    """What a check knows besides the settings: ``prefix`` of the topics, None where there is no cluster."""

    prefix: str | None


Named = Mapping[str, Settings]
Fault = tuple[str, str | None, str]
"""Subscriber, key in the channel's table (None: the name itself), and what is wrong."""


@dataclass(frozen=True, slots=True)
class ChannelKind(Generic[Settings]):
    """One channel. ``asked`` is what may be asked for over HTTP; None: it stands in the configuration only.

    ``by_name``: those who operate may register it; of FHIR its clients do, in FHIR. ``faults`` checks all subscribers of the kind together.
    """

    name: str
    about: str
    settings: type[Settings]
    open: Callable[[Settings, Opening], Channel]
    asked: type[ChannelSettings] | None = None
    by_name: bool = True
    faults: Callable[[Named[Settings], ChannelContext], Iterator[Fault]] = lambda *_: iter(())


def shown_to(settings: ChannelSettings) -> str:
    """What the receiver is shown of us."""
    has_certificate = isinstance(settings, Local) and settings.certificate_file is not None
    return SHOWS_CERTIFICATE if has_certificate else SHOWS_NOTHING


def endpoint_of(address: str, revision: int = 0) -> str:
    """What changes with the address, and with the revision, and tells neither: it may hold a token."""
    text = f"{address}#{revision}" if revision else address
    return hashlib.sha256(text.encode()).hexdigest()[:ENDPOINT_DIGITS]
