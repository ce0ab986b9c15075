"""``wardbridge test``: compares what a feed reads in sample files with the expected results beside them.

A file's expectation is ``NAME.expected.json``. Inputs are read as if they came at one fixed moment
and with a public secret, so that the same mapping gives the same text everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import unified_diff
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters.common.filename import shown
from wardbridge.cli._shared import (
    HERE,
    AnyPortOffset,
    AnyTokenFile,
    ConfigOption,
    DataOption,
    installation,
    refuse,
)
from wardbridge.cli.normalise import FeedName, as_json, chosen, outcomes_of, reading_of

SOME_DIFFER: Final = 1
SUFFIX: Final = ".expected.json"
RECEIVED_AT: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than any sample, so that none comes from the future."""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="a folder of samples", exists=False)]
Update = Annotated[bool, typer.Option("--update", help="write what is made of each now")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("test")(compare)


def compare(  # noqa: PLR0913 - a command's options
    folder: Folder,
    config: ConfigOption,
    feed: FeedName,
    data: DataOption = HERE,
    *,
    update: Update = False,
    port_offset: AnyPortOffset = 0,
    token_file: AnyTokenFile = None,
) -> None:
    """Compare what a feed makes of each file in a folder with the expectation beside it.

    Exit 0: all as expected. 1: some are not, with the difference. 2: could not run.
    """
    del port_offset, token_file
    found = installation(config, data)
    which = chosen(found, feed)
    reading = reading_of(found, which, lambda: RECEIVED_AT)
    samples = list(_samples(folder))
    if not samples:
        refuse(f"{shown(folder)}: there is no sample in it")
    made = {path: _text(outcomes_of(reading, which, path)) for path in samples}
    if update:
        for path, text in made.items():
            _expectation(path).write_text(text, encoding="utf-8")
        typer.echo(f"{len(made)} expectations written: read them before you keep them")
        return
    differing = [path for path in samples if not _is_as_expected(path, made[path])]
    orphans = list(_orphans(folder))
    typer.echo(f"{len(samples)} samples, {len(differing)} differ, {len(orphans)} orphans")
    raise typer.Exit(SOME_DIFFER if differing or orphans else 0)


def _samples(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        refuse(f"{shown(folder)}: there is no such folder")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(SUFFIX):
            yield path


def _orphans(folder: Path) -> Iterator[Path]:
    """Expectations of nothing: their sample was renamed or taken away."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        if not path.with_name(path.name.removesuffix(SUFFIX)).is_file():
            typer.echo(f"{shown(path)}: there is no sample for it")
            yield path


def _expectation(path: Path) -> Path:
    return path.with_name(f"{path.name}{SUFFIX}")


def _text(outcomes: Iterator[tuple[int, Any]]) -> str:
    lines = []
    for index, outcome in outcomes:
        line = as_json(Path(), index, outcome)
        del line["input"]
        for observation in line["observations"]:
            del observation["stamp"]  # it repeats the recorded time, and when it was received
        lines.append(line)
    return json.dumps(lines, indent=2, ensure_ascii=False) + "\n"


def _is_as_expected(path: Path, text: str) -> bool:
    expectation = _expectation(path)
    if not expectation.is_file():
        typer.echo(
            f"{shown(path)}: nothing is expected yet; --update writes what is made of it now"
        )
        return False
    expected = expectation.read_text(encoding="utf-8")
    if expected == text:
        return True
    before, after = expected.splitlines(keepends=True), text.splitlines(keepends=True)
    typer.echo("".join(unified_diff(before, after, shown(expectation), "now")))
    return False
