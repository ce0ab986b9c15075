"""``wardbridge deliveries``: who was told what, and when."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote

import httpx
import typer

from router.delivery.receipts import deliveries
from schemas.delivery import Outcome
from wardbridge.commands._shared import (
    HERE,
    ConfigOption,
    DataOption,
    LogConfigOption,
    PortOffset,
    TokenFile,
    installation,
    log_for_reading,
    refuse,
    service_client,
)

TIMEOUT_S: Final = 60.0  # the queue is walked from its beginning
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
    group.command("resend")(resend)
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


def resend(  # noqa: PLR0913, PLR0917 - a command's options
    subscriber: Subscriber,
    sequence: Sequence,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """Have the running service send one notice again: the same id, number and body."""
    name = quote(subscriber, safe="")
    with service_client(installation(config, data), port_offset, token_file) as service:
        try:
            path = f"/v1/subscribers/{name}/deliveries/{sequence}"
            answer = service.post(path, timeout=TIMEOUT_S)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: the service must be running"
            refuse(f"{service.base_url}: {reason}")
    if not answer.is_success:
        refuse(answer.json()["detail"])
    typer.echo(f"{sequence} is queued for {subscriber}; `deliveries show` tells what becomes of it")
