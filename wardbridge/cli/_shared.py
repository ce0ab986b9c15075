"""Options and error handling that commands share."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import typer

from adapters.common.calls import HttpRequest
from bus.port import Log, LogError
from bus.records import records_of
from bus.tls import PemFiles, TlsFileError, client_context
from schemas import topics
from schemas.addresses import literal
from schemas.base import VisitRef
from schemas.encounter import EncounterView
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError
from wardbridge.logstore.log import open_to_read
from wardbridge.net.calls import HttpAnswer, ask
from wardbridge.readmodels.aliases import aliases_of

COULD_NOT_RUN: Final = 2

ConfigOption = Annotated[
    Path, typer.Option("--config", help="the configuration file (TOML)", show_default=False)
]
LogConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="the configuration file (TOML), where the log is on Kafka"),
]
DataOption = Annotated[
    Path, typer.Option("--data", help="folder of the log and of all relative paths")
]
PortOffset = Annotated[
    int, typer.Option("--port-offset", min=0, help="added to every port: several side by side")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="file with a token that may operate, where tokens are asked"),
]
_FOR_ALL: Final = "no service is asked: taken so that one set of options does for every command"
AnyPortOffset = Annotated[int, typer.Option("--port-offset", min=0, help=_FOR_ALL)]
AnyTokenFile = Annotated[Path | None, typer.Option("--token-file", help=_FOR_ALL)]
PatientOption = Annotated[
    str | None, typer.Option("--patient", help="only of this patient, by key, under all visits")
]
HERE: Final = Path()


def refuse(text: str) -> NoReturn:
    """Say why it cannot run, and end."""
    typer.echo(text, err=True)
    raise typer.Exit(COULD_NOT_RUN)


def installation(config: Path, data: Path) -> Installation:
    """The configuration, or every problem on the terminal."""
    try:
        return load(config, data)
    except ConfigError as error:
        refuse(str(error))


class RunningService(NamedTuple):
    """The running service on this machine, and what its gate is shown."""

    base: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | bool

    def ask(
        self, method: str, path: str, said: Mapping[str, Any] | None = None, within_s: float = 30.0
    ) -> HttpAnswer:
        """What it answers. Raises NoAnswerError."""
        headers, body = dict(self.headers), None
        if said is not None:
            headers["Content-Type"], body = "application/json", json.dumps(said).encode()
        return ask(HttpRequest(f"{self.base}{path}", method, headers, body), self.tls, within_s)


def service_of(found: Installation, port_offset: int, token_file: Path | None) -> RunningService:
    """Its certificate is taken as it is."""
    http = found.settings.http
    host = reached_at(http.host)
    host = f"[{host}]" if ":" in host else host
    tls = http.tls and http.tls.starting_from(found.data)
    base = f"{'https' if tls else 'http'}://{host}:{http.port + port_offset}"
    headers = {}
    if token_file is not None:
        headers["Authorization"] = f"Bearer {_text_of(token_file)}"
    trusted = _pinned(tls.certificate_file) if tls else True
    return RunningService(base, headers, trusted)


def reached_at(host: str) -> str:
    """Where this machine reaches what listens at the host: what listens everywhere, at loopback."""
    address = literal(host)
    if address is None or not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IPv4


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{file} cannot be read: {type(error).__name__}")


def _pinned(certificate_file: str) -> ssl.SSLContext:
    """Trusts this one certificate, under whatever address it is reached."""
    try:
        context = client_context(PemFiles(certificate_file))
    except TlsFileError as error:
        refuse(str(error))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


@contextmanager
def log_for_reading(data: Path, config: Path | None) -> Iterator[Log]:
    """The log of an installation, beside a service that may be running."""
    try:
        log = open_to_read(data, installation(config, data) if config else None)
    except LogError as error:
        refuse(str(error))
    try:
        yield log
    finally:
        log.close()


def visits_of(log: Log, patient: str) -> set[VisitRef]:
    """The patient's visits under all numbers that lead to or from this one, of those that the census has."""
    numbers = aliases_of(records_of(log, topics.ALIASES)).connected_anywhere(patient)
    found = set()
    for record in records_of(log, topics.ENCOUNTERS):
        if record.value is not None:
            view = EncounterView.model_validate_json(record.value)
            if view.patient in numbers:
                found.add(VisitRef(source=view.source, visit=view.visit))
    return found
