"""The command line: each module here is one command, with ``add_to(app)``; those with ``_`` are shared parts.

Exit codes: 0 done; 2 it could not run (the configuration, a file, the log); what else a command
says is in its own help.

Where the first word is the name of a module, only that one is read: the others' libraries would
take longer than most commands do.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.metadata import version
from typing import Annotated

import typer


def make_app(asked: str = "") -> typer.Typer:
    """The application with the command that is asked for, or else with every one."""
    app = typer.Typer(
        name="wardbridge",
        help="Tells wards at once that a patient is designated to them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        callback=_common,
    )
    names = [each.name for each in pkgutil.iter_modules(__path__) if each.name[0] != "_"]
    module = asked.replace("-", "_")
    for name in [module] if module in names else names:
        importlib.import_module(f"{__name__}.{name}").add_to(app)
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
    make_app("".join(sys.argv[1:2]))()
