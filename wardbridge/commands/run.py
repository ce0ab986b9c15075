"""``wardbridge run``: the service."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated, Final

import structlog
import typer
import uvloop

from bus.port import LogError
from wardbridge.commands._shared import (
    HERE,
    ConfigOption,
    DataOption,
    PortOffset,
    installation,
    refuse,
)
from wardbridge.config.doors import doors
from wardbridge.config.models import Installation
from wardbridge.files import allow_more_files, too_few_files
from wardbridge.log import is_on_kafka
from wardbridge.logs import configure_logs
from wardbridge.roles import ALL_ROLES, Role
from wardbridge.secret import SecretError
from wardbridge.service import Service

FAILED: Final = 1
Roles = Annotated[
    list[Role] | None,
    typer.Option("--role", help="only this part of the work (repeatable); without it: all"),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    role: Roles = None,
) -> None:
    """Run the service until SIGTERM, SIGINT or SIGHUP, then drain.

    Exit 0: drained. 1: a part failed, or not all could be finished in time. 2: the configuration
    is not right.
    """
    found = installation(config, data)
    roles = frozenset(role or ALL_ROLES)
    if roles != ALL_ROLES and not is_on_kafka(found):
        refuse('--role: one process writes a log in SQLite; with engine = "kafka" roles can part')
    configure_logs(sys.stderr)
    files = allow_more_files()
    _tell_of(found, files)
    raise typer.Exit(_serve(Service(found, port_offset, roles=roles)))


def _tell_of(found: Installation, files: int) -> None:
    """The doors that are about to be opened, and what is not right."""
    logger = structlog.get_logger()
    for door in doors(found):
        logger.info(
            "door", door=door.key, address=door.address, asks=door.asks, encrypted=door.encrypted
        )
    for warning in [*found.warnings(), *too_few_files(files, found)]:
        logger.warning("configuration", warning=warning)


def _serve(service: Service) -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_told(service))
    except (LogError, SecretError, OSError) as error:
        typer.echo(f"cannot run: {error}", err=True)
        return FAILED


async def _until_told(service: Service) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    return await service.run(stop)


def stop_signals() -> list[signal.Signals]:
    """Those that end us: a terminal's hang-up too, unless we were started so that it does not."""
    is_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if is_nohup else [signal.SIGHUP])]
