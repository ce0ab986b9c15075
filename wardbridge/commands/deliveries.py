"""``wardbridge deliveries``: who was told what, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from bus.port import Log
from schemas import topics
from schemas.delivery import Delivery, Outcome
from wardbridge.commands._shared import (
    HERE,
    DataOption,
    LogConfigOption,
    log_for_reading,
    records,
    refuse,
)

SubscriberOption = Annotated[str | None, typer.Option("--subscriber", help="only this one's")]
VisitOption = Annotated[str | None, typer.Option("--visit", help="only about this visit")]
ParkedOption = Annotated[bool, typer.Option("--parked", help="only what was not taken in time")]
Subscriber = Annotated[str, typer.Argument(help="its configured name")]
Sequence = Annotated[int, typer.Argument(help="the number that the subscriber knows it by")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Who was told what, and when.")
    group.command("list")(list_deliveries)
    group.command("show")(show)
    app.add_typer(group, name="deliveries")


def list_deliveries(
    *,
    data: DataOption = HERE,
    config: LogConfigOption = None,
    subscriber: SubscriberOption = None,
    visit: VisitOption = None,
    parked: ParkedOption = False,
) -> None:
    """One JSON object a line for each delivery that has ended, oldest first."""
    with log_for_reading(data, config) as log:
        for delivery in deliveries(log, subscriber):
            is_wanted = visit in {None, delivery.visit.visit}
            if is_wanted and not (parked and delivery.outcome is not Outcome.PARKED):
                typer.echo(delivery.model_dump_json())


def show(
    subscriber: Subscriber,
    sequence: Sequence,
    data: DataOption = HERE,
    config: LogConfigOption = None,
) -> None:
    """What became of one notice at one subscriber; sent again by hand, it has several ends."""
    with log_for_reading(data, config) as log:
        found = [each for each in deliveries(log, subscriber) if each.sequence == sequence]
    if not found:
        refuse(f"no delivery {sequence} to {subscriber!r} has ended; see `deliveries list`")
    for delivery in found:
        typer.echo(delivery.model_dump_json(indent=2))


def deliveries(log: Log, subscriber: str | None = None) -> Iterator[Delivery]:
    """Every delivery kept, oldest first in each partition."""
    for record in records(log, topics.DELIVERIES, subscriber):
        delivery = Delivery.model_validate_json(record.value or b"")
        if subscriber in {None, delivery.subscriber}:
            yield delivery
