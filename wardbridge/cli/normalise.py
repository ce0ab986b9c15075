"""``wardbridge normalise``: prints what a feed reads in files. Nothing is sent or stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters.common.filename import shown
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import InputOutcome, Trouble, Verdict
from adapters.common.receipt import ReceiptClock
from wardbridge.cli._shared import (
    HERE,
    AnyPortOffset,
    AnyTokenFile,
    ConfigOption,
    DataOption,
    installation,
    refuse,
)
from wardbridge.config.models import Feed, Installation
from wardbridge.config.problems import did_you_mean
from wardbridge.ingest.kind import ReadingContext
from wardbridge.ingest.kinds import KINDS
from wardbridge.runtime.roles import utc_now

SOME_IN_REVIEW: Final = 3
PUBLIC_SECRET: Final = b"wardbridge normalise: keys in this output are not an installation's"

FeedName = Annotated[
    str, typer.Option("--feed", help="a name from `feeds` in the configuration", show_default=False)
]
Explain = Annotated[
    bool, typer.Option("--explain", help="also where each value comes from, and by which rule")
]
Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH…", help="files, or folders to walk", exists=False)
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("normalise")(normalise)


def normalise(  # noqa: PLR0913 - a command's options
    paths: Paths,
    config: ConfigOption,
    feed: FeedName,
    data: DataOption = HERE,
    *,
    explain: Explain = False,
    port_offset: AnyPortOffset = 0,
    token_file: AnyTokenFile = None,
) -> None:
    """Print one JSON object a line for each message or row in the files.

    Exit 0: all accepted or ignored. 3: some went to review, wholly or in part. 2: could not run.
    Patient keys in the output are made with a public secret, never with the installation's.
    """
    del port_offset, token_file
    found = installation(config, data)
    which = chosen(found, feed)
    reading = reading_of(found, which, ReceiptClock(utc_now), explain=explain)
    in_review = False
    files = list(_files(paths))
    if not files:
        refuse("there is no file in " + ", ".join(map(shown, paths)))
    for path in files:
        for index, outcome in outcomes_of(reading, which, path):
            typer.echo(json.dumps(as_json(path, index, outcome), ensure_ascii=False))
            in_review |= _needs_a_person(outcome)
    raise typer.Exit(SOME_IN_REVIEW if in_review else 0)


def reading_of(
    found: Installation, feed: Feed, clock: Callable[[], datetime], *, explain: bool = False
) -> ReadingContext:
    """What reads a feed's inputs outside the service: patient keys with a public secret."""
    keyer = PatientKeyer(PUBLIC_SECRET[:64])
    return ReadingContext(feed.identity, found.register, keyer, clock, explain)


def chosen(found: Installation, name: str) -> Feed:
    """The feed of this name, or an end that suggests another."""
    feeds = {feed.identity.name: feed for feed in found.feeds}
    if name not in feeds:
        refuse(f"there is no feed {name!r} in {found.file}; {did_you_mean(name, feeds)}")
    return feeds[name]


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(inner for inner in path.rglob("*") if inner.is_file())
        elif path.is_file():
            yield path
        else:
            refuse(f"{shown(path)}: there is no such file or folder")


def outcomes_of(
    reading: ReadingContext, feed: Feed, path: Path
) -> Iterator[tuple[int, InputOutcome]]:
    """What the feed makes of each input in a file."""
    try:
        payload = path.read_bytes()
    except OSError as error:
        refuse(f"{shown(path)} cannot be read: {error.strerror}")
    yield from KINDS[feed.kind].outcomes(reading, feed.settings, path, payload)


def _needs_a_person(outcome: InputOutcome) -> bool:
    return outcome.verdict is Verdict.REVIEW or bool(outcome.warnings)


def as_json(path: Path, index: int, outcome: InputOutcome) -> dict[str, Any]:
    """One line of the output; absent claims are left out, cleared ones are null."""
    line: dict[str, Any] = {
        "input": {"path": shown(path), "index": index},
        "outcome": outcome.verdict.value,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "observations": [
            observation.model_dump(mode="json", exclude_unset=True)
            for observation in outcome.observations
        ],
    }
    if outcome.degraded:
        line["degraded"] = outcome.degraded
    if outcome.where:
        line["where"] = outcome.where
    if outcome.origins:
        line["origins"] = [
            {value: origin._asdict() for value, origin in each.items()} for each in outcome.origins
        ]
    if outcome.warnings:
        line["warnings"] = [_warning(trouble) for trouble in outcome.warnings]
    return line


def _warning(trouble: Trouble) -> dict[str, str]:
    where = {"where": trouble.where} if trouble.where else {}
    return {"reason": trouble.reason, "detail": trouble.detail, **where}
