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
    installation,
    log_for_reading,
    refuse,
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


def resend(
    subscriber: Subscriber,
    sequence: Sequence,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
) -> None:
    """Have the running service send one notice again: the same id, number and body."""
    http = installation(config, data).settings.http
    host = f"[{http.host}]" if ":" in http.host else http.host
    base = f"http://{host}:{http.port + port_offset}"
    name = quote(subscriber, safe="")
    try:
        answer = httpx.post(
            f"{base}/v1/subscribers/{name}/deliveries/{sequence}", timeout=TIMEOUT_S
        )
    except httpx.HTTPError as error:
        refuse(f"{base}: {type(error).__name__}: the service must be running")
    if not answer.is_success:
        refuse(answer.json()["detail"])
    typer.echo(f"{sequence} is queued for {subscriber}; `deliveries show` tells what becomes of it")
