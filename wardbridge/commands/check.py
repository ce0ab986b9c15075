"""``wardbridge check``: whether the configuration is right."""

from __future__ import annotations

import typer

from wardbridge.commands._shared import HERE, ConfigOption, DataOption, installation
from wardbridge.feeds.kinds import KINDS


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(config: ConfigOption, data: DataOption = HERE) -> None:
    """Tell every error of the configuration at once (exit 2), and what to be warned of."""
    found = installation(config, data)
    for warning in found.warnings():
        typer.echo(f"warning: {warning}", err=True)
    for feed in found.feeds:
        for line in KINDS[feed.kind].told(feed.settings):
            typer.echo(f"feeds.{feed.identity.name}: {line}")
    wards = "any" if found.register.is_open else len(found.register.wards)
    typer.echo(f"{config}: right; {len(found.feeds)} feeds, wards: {wards}")
