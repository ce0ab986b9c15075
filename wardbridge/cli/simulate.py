"""``wardbridge simulate``: plays the systems of others, to try an installation."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated, Final

import typer

from router.delivery.signature import SecretFormatError, secret_of
from wardbridge.cli._shared import refuse
from wardbridge.simulate.playing import PlayedPart, Playing, Protocol

PORTS: Final = {Protocol.WEBHOOK: 9080, Protocol.FHIR: 9080, Protocol.MLLP: 9575}
ProtocolArgument = Annotated[Protocol, typer.Argument(help="what it is sent")]
ScriptOption = Annotated[
    str,
    typer.Option(
        "--script",
        help="what it does with one notice after another, such as `500*3,hang,429:30`; then it takes all",
    ),
]
WardOption = Annotated[
    str, typer.Option("--ward", help="the script is for this ward's notices, the others are taken")
]
SecretOption = Annotated[
    Path | None,
    typer.Option("--secret-file", help="file with a `whsec_…`; what it did not sign is refused"),
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65_535, help="9080, or 9575 for MLLP; 0: any")
]
HostOption = Annotated[str, typer.Option("--host", help="an address of this machine")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(no_args_is_help=True, help="Others' systems, played.")
    group.callback()(lambda: None)
    group.command("receiver")(receiver)
    app.add_typer(group, name="simulate")


def receiver(  # noqa: PLR0913, PLR0917 - a command's options
    protocol: ProtocolArgument,
    script: ScriptOption = "",
    ward: WardOption = "",
    secret_file: SecretOption = None,
    port: PortOption = None,
    host: HostOption = "127.0.0.1",
) -> None:
    """Be a receiver of notices until interrupted: one JSON object a line for each that comes."""
    keys = [] if secret_file is None else [_key(secret_file)]
    listens_at = PORTS[protocol] if port is None else port
    try:
        playing = Playing(PlayedPart(protocol, script, ward, keys, host, listens_at), typer.echo)
        listening = playing.receiver()
    except ValueError as error:
        refuse(f"--script: {error}")
    except OSError as error:
        refuse(f"{host}:{listens_at}: {error.strerror}")
    ended = _interrupted()
    with listening:
        typer.echo(f"{protocol} at {host}:{listening.port}", err=True)
        ended.wait()
    typer.echo(playing.summary())


def _key(file: Path) -> bytes:
    try:
        return secret_of(file.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{file} cannot be read: {type(error).__name__}")
    except SecretFormatError as error:
        refuse(f"{file}: {error}")


def _interrupted() -> Event:
    """Set at SIGINT or SIGTERM."""
    ended = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended
