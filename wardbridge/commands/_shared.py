"""What commands share: their options, and how they say that they cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from bus.port import Log, LogError
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError
from wardbridge.log import open_to_read

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
