"""``wardbridge log``: what is done with an installation's log as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import typer

from bus.port import Log, LogError
from bus.sqlite.lock import WriterLock
from wardbridge.commands._shared import HERE, ConfigOption, DataOption, installation, refuse
from wardbridge.log import is_on_kafka, log_path, open_for_moving, open_to_read
from wardbridge.moving import move


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The log as a whole.")
    group.command("copy")(copy)
    group.callback()(_group)
    app.add_typer(group, name="log")


def _group() -> None:
    """The log as a whole."""  # typer would drop the name of a group of one command


def copy(config: ConfigOption, data: DataOption = HERE) -> None:
    """Copy the file in the data folder to the cluster that the configuration names.

    The service must have ended with SIGTERM. Begun again, it goes on where it stopped. Each
    partition is compared at the end; the file is not changed.
    """
    found = installation(config, data)
    if not is_on_kafka(found):
        refuse(f'{config}: engine = "kafka" names where the log is to be copied')
    try:
        with _source(data) as source, closing(open_for_moving(found)) as target:
            for moved in move(source, target):
                typer.echo(
                    f"{moved.at.topic}/{moved.at.partition}: {moved.records} records, "
                    f"{moved.copied} of them copied now; the same on both sides"
                )
    except LogError as error:
        refuse(str(error))
    typer.echo("done: start the service with this configuration and this data folder")


@contextmanager
def _source(data: Path) -> Iterator[Log]:
    """The file, which nobody may write meanwhile."""
    with closing(open_to_read(data, None)) as log:
        lock = WriterLock(log_path(data))
        try:
            yield log
        finally:
            lock.release()
