"""``wardbridge check``: validates the configuration and lists the doors that it opens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.common.door import Door
from bus.memory import MemoryLog
from bus.port import Log, LogError
from wardbridge.cli._shared import (
    COULD_NOT_RUN,
    HERE,
    AnyPortOffset,
    AnyTokenFile,
    ConfigOption,
    DataOption,
    refuse,
)
from wardbridge.config.doors import doors
from wardbridge.config.kinds import KINDS
from wardbridge.config.lastgood import lost
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError, ConfigProblem
from wardbridge.logstore.log import is_on_kafka, open_to_read
from wardbridge.security.secret import doubt_of

AsJson = Annotated[bool, typer.Option("--json", help="one JSON object, for programs")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    config: ConfigOption,
    data: DataOption = HERE,
    *,
    as_json: AsJson = False,
    port_offset: AnyPortOffset = 0,
    token_file: AnyTokenFile = None,
) -> None:
    """Tell every error of the configuration at once (exit 2); if there is none, its doors, and what to be warned of."""
    del port_offset, token_file
    try:
        found = load(config, data)
    except ConfigError as error:
        if not as_json:
            refuse(str(error))
        typer.echo(_as_json(config, error.problems, None))
        raise typer.Exit(COULD_NOT_RUN) from None
    found = replace(found, warned=(*found.warned, *lost(found), *_about_secret(found)))
    if as_json:
        typer.echo(_as_json(config, (), found))
        return
    for warning in found.warned:
        typer.echo(f"warning: {warning}", err=True)
    for door in doors(found):
        typer.echo(f"door: {door}")
    for name, lines in _told(found).items():
        for line in lines:
            typer.echo(f"feeds.{name}: {line}")
    wards = "any" if found.register.is_open else len(found.register.wards)
    typer.echo(f"{config}: right; {len(found.feeds)} feeds, wards: {wards}")


def _about_secret(found: Installation) -> Iterator[ConfigProblem]:
    """Whether feeds can start with the secret, beside the log if that is a file that can be looked into."""
    try:
        log: Log = MemoryLog() if is_on_kafka(found) else open_to_read(found.data, found)
    except LogError:  # there is none yet, or its start says what is wrong with it
        log = MemoryLog()
    with closing(log):
        if text := doubt_of(log, found):
            yield ConfigProblem(("privacy", "patient_key_file"), text)


def _told(found: Installation) -> dict[str, list[str]]:
    """What each feed's settings mean, in words."""
    return {feed.identity.name: list(KINDS[feed.kind].told(feed.settings)) for feed in found.feeds}


def _as_json(config: Path, errors: Iterable[ConfigProblem], found: Installation | None) -> str:
    told: dict[str, Any] = {
        "config": str(config),
        "right": found is not None,
        "errors": [_problem(each) for each in errors],
        "warnings": [_problem(each) for each in found.warned] if found else [],
        "doors": [_door(each) for each in doors(found)] if found else [],
        "feeds": _told(found) if found else {},
    }
    return json.dumps(told, ensure_ascii=False, indent=1)


def _problem(problem: ConfigProblem) -> dict[str, Any]:
    return {
        "file": str(problem.file) if problem.file else None,
        "line": problem.line,
        "key": problem.key or None,
        "reason": problem.reason,
        "suggestion": problem.suggestion,
    }


def _door(door: Door) -> dict[str, Any]:
    return {
        "key": door.key,
        "what": door.what,
        "direction": door.direction,
        "address": door.address,
        "asks": door.asks,
        "encrypted": door.encrypted,
        "is_open": bool(door.open_to),
    }
