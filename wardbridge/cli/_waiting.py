"""``wardbridge deliveries list --waiting``: undelivered notices, with the numbers that ``skip`` takes.

The running service is asked, for it alone knows the next attempt and the last answer. Where none answers, or no
configuration says where it is, the log tells what is committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import typer

from adapters.common.calls import NoAnswerError, NobodyThereError
from bus.port import Log
from router.delivery.registry import names_of
from wardbridge.api.waiting import AllWaiting, WaitingAt, waiting_in
from wardbridge.cli._named import refuse_unknown
from wardbridge.cli._noted import Line, Looking
from wardbridge.cli._shared import installation, log_for_reading, refuse, service_of


class WaitingRequest(NamedTuple):
    """Of whom, and where the service is."""

    subscriber: str | None
    data: Path
    config: Path | None
    port_offset: int
    token_file: Path | None


def show_waiting(wanted: WaitingRequest) -> None:
    """One JSON object a line for each ward of each subscriber, the lowest number first."""
    found = _of_service(wanted, wanted.config) if wanted.config is not None else None
    if found is not None:
        for line in _lines(found.subscribers):
            typer.echo(line.text)
        return
    with log_for_reading(wanted.data, wanted.config) as log:
        rows = [waiting_in(log, name) for name in _names(log, wanted.subscriber)]
        asked = (wanted.subscriber, "waiting")
        Looking(log, wanted.data, "deliveries list", asked).show(_lines(rows))


def _of_service(wanted: WaitingRequest, config: Path) -> AllWaiting | None:
    """None where no service runs."""
    service = service_of(installation(config, wanted.data), wanted.port_offset, wanted.token_file)
    query = f"?{urlencode({'subscriber': wanted.subscriber})}" if wanted.subscriber else ""
    try:
        answer = service.ask("GET", f"/v1/deliveries/waiting{query}")
    except NobodyThereError:
        typer.echo(f"no service answers at {service.base}: the log is read", err=True)
        return None
    except NoAnswerError as error:
        refuse(f"{service.base}: {error}")
    if not answer.is_success:
        refuse(str(answer.json().get("detail", f"answered {answer.status}")))
    return AllWaiting.model_validate_json(answer.body)


def _names(log: Log, subscriber: str | None) -> list[str]:
    known = sorted(names_of(log))
    refuse_unknown("subscriber", subscriber, known)
    return known if subscriber is None else [subscriber]


def _lines(found: Sequence[WaitingAt]) -> Iterator[Line]:
    for each in found:
        for ward in each.wards:
            said = {"subscriber": each.subscriber, **ward.model_dump(mode="json")}
            yield Line(json.dumps(said, ensure_ascii=False))
        more = each.waiting - sum(ward.waiting for ward in each.wards)
        if more or (each.trouble and not each.wards):
            said = {"subscriber": each.subscriber, "trouble": each.trouble, "waiting": more}
            yield Line(json.dumps(said, ensure_ascii=False))
