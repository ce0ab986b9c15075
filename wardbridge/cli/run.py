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
from wardbridge.cli._shared import HERE, ConfigOption, DataOption, PortOffset, refuse
from wardbridge.config.doors import doors
from wardbridge.config.lastgood import keep, kept_of, load_to_run, lost
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError
from wardbridge.logstore.log import is_on_kafka
from wardbridge.observability.logs import configure_logs
from wardbridge.runtime.files import allow_more_files, too_few_files
from wardbridge.runtime.roles import ALL_ROLES, Role
from wardbridge.runtime.service import Service

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
    try:
        found = load_to_run(config, data)
    except ConfigError as error:
        refuse(str(error))
    roles = frozenset(role or ALL_ROLES)
    if roles != ALL_ROLES and not is_on_kafka(found):
        refuse('--role: one process writes a log in SQLite; with engine = "kafka" roles can part')
    configure_logs(sys.stderr)
    files = allow_more_files()
    _tell_of(found, files)
    _keep_register(found)
    raise typer.Exit(_serve(Service(found, port_offset, roles=roles)))


def _tell_of(found: Installation, files: int) -> None:
    """The doors that are about to be opened, and what is not right."""
    logger = structlog.get_logger()
    for door in doors(found):
        logger.info(
            "door", door=door.key, address=door.address, asks=door.asks, encrypted=door.encrypted
        )
    for damaged in found.damage:
        used = kept_of(found.data, damaged.file or found.file)
        logger.error("register_damaged", reason=f"{damaged}; {used} is used instead")
    for gone in lost(found):
        logger.warning("configuration", warning=str(gone))
    for warning in [*found.warnings(), *too_few_files(files, found)]:
        logger.warning("configuration", warning=warning)


def _keep_register(found: Installation) -> None:
    """For a start with a damaged one. Where it cannot be kept, such a start will be refused."""
    try:
        found.data.mkdir(parents=True, exist_ok=True)
        keep(found)
    except OSError as error:
        structlog.get_logger().warning("register_not_kept", reason=error.strerror)


def _serve(service: Service) -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_told(service))
    except (LogError, OSError) as error:
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
