"""``wardbridge check-message``: explains what is wrong with HL7 messages. Nothing is sent or stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from adapters.common.filename import shown
from adapters.common.outcome import InputOutcome, Trouble, Verdict
from adapters.common.receipt import ReceiptClock
from adapters.hl7v2.batch import split
from wardbridge.cli._shared import (
    HERE,
    AnyPortOffset,
    AnyTokenFile,
    ConfigOption,
    DataOption,
    installation,
    refuse,
)
from wardbridge.cli.normalise import SOME_IN_REVIEW, FeedName, chosen, outcomes_of, reading_of
from wardbridge.ingest.kinds import KINDS
from wardbridge.runtime.roles import utc_now

KIND: Final = "hl7v2-mllp"
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="messages, one after another or a batch")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check-message")(check_message)


def check_message(  # noqa: PLR0913 - a command's options
    file: File,
    config: ConfigOption,
    feed: FeedName,
    data: DataOption = HERE,
    *,
    port_offset: AnyPortOffset = 0,
    token_file: AnyTokenFile = None,
) -> None:
    """Say what a feed makes of each message, and what the standard says of its structure.

    The output has nothing of a patient in it. What the standard says decides nothing here. Exit 0: all
    accepted or ignored. 3: some went to review, wholly or in part. 2: could not run.
    """
    del port_offset, token_file
    found = installation(config, data)
    which = chosen(found, feed)
    if which.kind != KIND:
        refuse(f"{feed!r} takes no HL7 messages (kind {which.kind!r}): use normalise")
    reading = reading_of(found, which, ReceiptClock(utc_now))
    outcomes = list(outcomes_of(reading, which, file))
    messages = split(file.read_bytes()).messages
    for index, outcome in outcomes:
        typer.echo(f"{shown(file)}, message {index + 1}: {_told(outcome)}")
        for trouble in outcome.warnings:
            typer.echo(f"  warning: {_trouble(trouble)}")
        for line in _structure(which.settings, messages[index : index + 1]):
            typer.echo(f"  {line}")
    needs_a_person = any(o.verdict is Verdict.REVIEW or o.warnings for _, o in outcomes)
    raise typer.Exit(SOME_IN_REVIEW if needs_a_person else 0)


def _told(outcome: InputOutcome) -> str:
    if outcome.verdict is Verdict.ACCEPTED:
        return "accepted"
    return f"{outcome.verdict.value}: {_trouble(Trouble(outcome.reason, outcome.detail, outcome.where))}"


def _trouble(trouble: Trouble) -> str:
    where = f" at {trouble.where}" if trouble.where else ""
    return f"{trouble.reason}{where}: {trouble.detail}"


def _structure(settings: object, messages: tuple[bytes, ...]) -> Iterator[str]:
    """Of the message with this index; a trouble of the whole file has none."""
    for message in messages:
        found = KINDS[KIND].structure(settings, message)
        yield from (f"structure: {line}" for line in found)
        if not found:
            yield "structure: as the standard has it"
