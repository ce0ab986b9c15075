"""``wardbridge log``: operations on the whole log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from bus.local import system_clock_ms
from bus.mending import Kind, Mender, PositionFinding
from bus.port import Log, LogError
from bus.sqlite.lock import WriterLock
from bus.sqlite.seen import believe, believed_ms
from router.core.step import GROUP, RouterStep
from router.delivery import queue
from schemas.topics import OUTGOING, STATE, SUBSCRIBERS
from wardbridge.cli._shared import HERE, ConfigOption, DataOption, installation, refuse
from wardbridge.logstore.log import is_on_kafka, log_path, open_for_moving, open_log, open_to_read
from wardbridge.logstore.log_copy import move

AGREE_S: Final = 3_600
"""The time that retention goes by is saved every ten minutes, and a stop of some minutes is nothing to mend."""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The log as a whole.")
    group.command("copy")(copy)
    group.command("mend")(mend)
    group.command("clock")(clock)
    group.callback()(_group)
    app.add_typer(group, name="log")


def _group() -> None:
    """The log as a whole."""


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


def mend(
    config: ConfigOption,
    data: DataOption = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="do it; without it only say what")] = False,  # noqa: FBT002 - typer's
) -> None:
    """Look whether the positions of router and delivery, their state and topics belong together, and mend it.

    The service must have ended. Exit 0 where they do, or were mended; 1 where something is to be done.
    """
    found = installation(config, data)
    try:
        with closing(open_log(found)) as log:
            looked = []
            for group, inputs, state in _GROUPS:
                mender = Mender(log, group, inputs, state)
                for finding in mender.findings():
                    _say(group, finding)
                    if yes and finding.kind == "mendable":
                        mender.mend(finding)
                    looked.append(finding)
    except LogError as error:
        refuse(str(error))
    _conclude({finding.kind for finding in looked}, done=yes)


def clock(
    config: ConfigOption,
    data: DataOption = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="do it; without it only say what")] = False,  # noqa: FBT002 - typer's
) -> None:
    """Have retention go by this machine's clock, where that one was wrong when the log was made (SQLite only).

    The service must have ended, and the clock must be right: what is too old by it is deleted. Exit 0 where
    both agree, or do now; 1 where something is to be done.
    """
    if is_on_kafka(installation(config, data)):
        refuse(f"{config}: the brokers delete what is too old, by their own clocks")
    now_ms = system_clock_ms()
    try:
        ahead_s = (believed_ms(log_path(data)) - now_ms) // 1000
        typer.echo(_standing(ahead_s))
        if abs(ahead_s) < AGREE_S:
            return
        if yes:
            believe(log_path(data), now_ms)
    except LogError as error:
        refuse(str(error))
    if not yes:
        typer.echo("nothing was changed; --yes does it")
        raise typer.Exit(1)
    typer.echo("done: start the service")


def _standing(ahead_s: int) -> str:
    if abs(ahead_s) < AGREE_S:
        return "retention goes by this machine's clock"
    days = abs(ahead_s) / 86_400
    way = "ahead of" if ahead_s > 0 else "behind"
    return f"the time that retention goes by is {days:.1f} days {way} this machine's clock"


_GROUPS: Final = (
    (GROUP, RouterStep.inputs, STATE),
    (queue.GROUP, (OUTGOING,), SUBSCRIBERS),
)


def _say(group: str, finding: PositionFinding) -> None:
    for reason in finding.reasons:
        typer.echo(f"{group}, partition {finding.partition}: {reason}")


def _conclude(kinds: set[Kind], *, done: bool) -> None:
    if "state-gone" in kinds:
        refuse(
            "the state is gone: positions cannot bring it back. Restore the log from its "
            'backup: runbook, "Positions and state do not belong together"'
        )
    if "mendable" not in kinds:
        typer.echo("positions, state and topics belong together")
    elif done:
        typer.echo("mended: start the service")
    else:
        typer.echo("nothing was changed; --yes does it")
        raise typer.Exit(1)


@contextmanager
def _source(data: Path) -> Iterator[Log]:
    """The file, which nobody may write meanwhile."""
    with closing(open_to_read(data, None)) as log:
        lock = WriterLock(log_path(data))
        try:
            yield log
        finally:
            lock.release()
