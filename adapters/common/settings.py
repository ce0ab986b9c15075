"""Base classes and types of the configuration's tables.

Invariant: a table is frozen, and a key that it does not know is an error.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Final, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from bus.tls import PemFiles, server_context
from schemas.addresses import is_loopback as is_loopback  # noqa: PLC0414 - adapters have it from here
from schemas.base import Section as Section  # noqa: PLC0414

MAX_SKEW_S: Final = 1_800
"""Beyond half an hour the two passes of a repeated hour would mix."""


Value = TypeVar("Value")


def none_if_empty(value: object) -> object:
    """TOML has no null: an empty text stands for none."""
    return None if value == "" else value


OrNone = Annotated[Value | None, BeforeValidator(none_if_empty)]
"""A key of a profile that may be switched off by ``""``, since leaving it out means its default, or
what the profile's file says. Never for what protects: an empty variable must not switch that off."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{name!r} is no time zone: write one like Europe/Stockholm") from None
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""A time zone that this machine knows."""


class Tls(Section):
    """Transport encryption of one port."""

    certificate_file: str = Field(description="PEM: the certificate and its chain")
    key_file: str = Field(description="PEM: its private key")
    client_ca_file: str | None = Field(None, description="PEM: senders must show one of these")

    def starting_from(self, folder: Path) -> Self:
        """The same, its relative paths looked for in a folder."""
        given = self.model_dump(exclude_none=True)
        files = {key: str(folder / name) for key, name in given.items() if key.endswith("_file")}
        return self.model_copy(update=files)

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later. Raises TlsFileError where a file cannot be used."""
        files = PemFiles(self.client_ca_file, self.certificate_file, self.key_file)
        context = server_context(files)
        if self.client_ca_file is not None:
            context.verify_mode = ssl.CERT_REQUIRED if self.is_required else ssl.CERT_OPTIONAL
        return context

    @property
    def is_required(self) -> bool:
        """Whether nobody gets further without a certificate of the authority."""
        return self.client_ca_file is not None


PortNumber = Annotated[int, Field(ge=0, le=65_535)]


class Port(Section):
    """Where a feed listens."""

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: PortNumber = Field(description="port to listen on; 0 takes a free one")
    tls: Tls | None = Field(None, description="without it the port is not encrypted")

    def moved(self, folder: Path, offset: int) -> Self:
        """The same, its port moved by the offset, its files looked for in a folder."""
        port = self.port + offset if self.port else 0
        tls = self.tls and self.tls.starting_from(folder)
        return self.model_copy(update={"port": port, "tls": tls})
