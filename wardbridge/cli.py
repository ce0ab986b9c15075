"""The command line. Each module of ``wardbridge.commands`` adds its own command."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version
from typing import Annotated

import typer

from wardbridge import commands


def make_app() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(
        name="wardbridge",
        help="Tells wards at once that a patient is designated to them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        callback=_common,
    )
    for module in pkgutil.iter_modules(commands.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{commands.__name__}.{module.name}").add_to(app)
    return app


def _say_version(*, asked: bool) -> None:
    if asked:
        typer.echo(version("wardbridge"))
        raise typer.Exit


def _common(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="say it, and end"),
    ] = False,
) -> None:
    """What stands before any command."""


def main() -> None:
    """The console script."""
    make_app()()
