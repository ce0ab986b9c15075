"""``wardbridge deliveries``: which notice was sent to which subscriber, when, with which result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote

import typer

from adapters.common.calls import NoAnswerError
from adapters.common.visits import is_named
from router.delivery.receipts import deliveries
from router.delivery.registry import names_of
from schemas.audit import Seen
from schemas.delivery import Delivery, Outcome
from wardbridge.cli._named import refuse_unknown, refuse_unknown_visit
from wardbridge.cli._noted import Line, Looking
from wardbridge.cli._shared import (
    HERE,
    AnyPortOffset,
    AnyTokenFile,
    ConfigOption,
    DataOption,
    LogConfigOption,
    PatientOption,
    PortOffset,
    TokenFile,
    installation,
    log_for_reading,
    refuse,
    service_of,
    visits_of,
)
from wardbridge.cli._waiting import WaitingRequest, show_waiting

NOT_TAKEN: Final = 1
TIMEOUT_S: Final = 60.0  # the queue is walked from its beginning
SubscriberOption = Annotated[str | None, typer.Option("--subscriber", help="only this one's")]
VisitOption = Annotated[
    str | None, typer.Option("--visit", help="only about this visit: NUMBER, or NUMBER@ASSIGNER")
]
ParkedOption = Annotated[bool, typer.Option("--parked", help="only what was not taken in time")]
WaitingOption = Annotated[
    bool,
    typer.Option(
        "--waiting",
        help="instead what is open: each ward's oldest notice, with the number that `skip` takes; "
        "with --config the running service is asked",
    ),
]
Subscriber = Annotated[str, typer.Argument(help="its configured name")]
Reason = Annotated[str, typer.Option("--reason", help="why, and on whose word; it is kept")]
Sequence = Annotated[int, typer.Argument(help="the number that the subscriber knows it by")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Who was told what, and when.")
    group.command("list")(list_deliveries)
    group.command("show")(show)
    group.command("resend")(resend)
    group.command("skip")(skip)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("test")(try_out)
    app.add_typer(group, name="deliveries")


def list_deliveries(  # noqa: PLR0913 - what may be asked for
    *,
    data: DataOption = HERE,
    config: LogConfigOption = None,
    subscriber: SubscriberOption = None,
    visit: VisitOption = None,
    patient: PatientOption = None,
    parked: ParkedOption = False,
    waiting: WaitingOption = False,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """One JSON object a line for each delivery that has ended, oldest first; or for each ward that waits."""
    if waiting:
        if visit or patient or parked:
            refuse("--waiting goes with --subscriber only")
        show_waiting(WaitingRequest(subscriber, data, config, port_offset, token_file))
        return
    with log_for_reading(data, config) as log:
        refuse_unknown("subscriber", subscriber, names_of(log))
        refuse_unknown_visit(log, visit, (each.visit.visit for each in deliveries(log)))
        visits = visits_of(log, patient) if patient else set()
        wanted = (
            delivery
            for delivery in deliveries(log, subscriber)
            if (visit is None or is_named(delivery.visit.visit, visit))
            and (patient is None or delivery.visit in visits)
            and not (parked and delivery.outcome is not Outcome.PARKED)
        )
        found = (Line(each.model_dump_json(), _of(each)) for each in wanted)
        Looking(
            log, data, "deliveries list", (subscriber, visit, patient, parked and "parked")
        ).show(found)


def show(  # noqa: PLR0913 - a command's options
    subscriber: Subscriber,
    sequence: Sequence,
    data: DataOption = HERE,
    config: LogConfigOption = None,
    *,
    port_offset: AnyPortOffset = 0,
    token_file: AnyTokenFile = None,
) -> None:
    """What became of one notice at one subscriber; sent again by hand, it has several ends."""
    del port_offset, token_file
    with log_for_reading(data, config) as log:
        found = [each for each in deliveries(log, subscriber) if each.sequence == sequence]
        if not found:
            refuse(f"no delivery {sequence} to {subscriber!r} has ended; see `deliveries list`")
        lines = [Line(each.model_dump_json(indent=2), _of(each)) for each in found]
        Looking(log, data, "deliveries show", (subscriber, sequence)).show(lines)


def _of(delivery: Delivery) -> tuple[Seen, ...]:
    return (Seen(visit=delivery.visit),)


def resend(  # noqa: PLR0913, PLR0917 - a command's options
    subscriber: Subscriber,
    sequence: Sequence,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """Have the running service send one notice again: the same id, number and notice."""
    _asked(_Service(config, data, port_offset, token_file), subscriber, f"deliveries/{sequence}")
    typer.echo(f"{sequence} is queued for {subscriber}; `deliveries show` tells what becomes of it")


def skip(  # noqa: PLR0913, PLR0917 - a command's options
    subscriber: Subscriber,
    sequence: Sequence,
    config: ConfigOption,
    reason: Reason,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """Have the running service give up a notice that is being tried, and go on with the next."""
    service = _Service(config, data, port_offset, token_file)
    _asked(service, subscriber, f"deliveries/{sequence}/skip", {"reason": reason})
    typer.echo(f"{sequence} is skipped; `deliveries resend` sends it after all")


def pause(  # noqa: PLR0913, PLR0917 - a command's options
    subscriber: Subscriber,
    config: ConfigOption,
    reason: Reason,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """Have the running service send a subscriber nothing until it is resumed; notices wait."""
    _asked(_Service(config, data, port_offset, token_file), subscriber, "pause", {"reason": reason})
    typer.echo(f"{subscriber} is paused")


def resume(
    subscriber: Subscriber,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """Have the running service send again: after a pause, or after 410 Gone."""
    _asked(_Service(config, data, port_offset, token_file), subscriber, "resume")
    typer.echo(f"{subscriber} is sent what waits")


def try_out(
    subscriber: Subscriber,
    config: ConfigOption,
    data: DataOption = HERE,
    port_offset: PortOffset = 0,
    token_file: TokenFile = None,
) -> None:
    """Have the running service send something that is about nobody, once. Exit 1: not taken."""
    found = _asked(_Service(config, data, port_offset, token_file), subscriber, "test")
    if not found["taken"]:
        typer.echo(f"not taken: {found['refusal']}", err=True)
        raise typer.Exit(NOT_TAKEN)
    typer.echo(f"taken in {found['seconds']} s")


class _Service(NamedTuple):
    """The running service, and what its gate is shown."""

    config: Path
    data: Path
    port_offset: int
    token_file: Path | None


def _asked(
    service: _Service, subscriber: str, what: str, said: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the running service answers, or its refusal on the terminal."""
    config, data, port_offset, token_file = service
    path = f"/v1/subscribers/{quote(subscriber, safe='')}/{what}"
    running = service_of(installation(config, data), port_offset, token_file)
    try:
        answer = running.ask("POST", path, said, TIMEOUT_S)
    except NoAnswerError as error:
        refuse(f"{running.base}: {error}: the service must be running")
    found: dict[str, Any] = answer.json()
    if not answer.is_success:
        refuse(str(found["detail"]))
    return found
