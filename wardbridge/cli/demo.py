"""``wardbridge demo``: the main job, in the terminal."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from wardbridge.cli._shared import COULD_NOT_RUN
from wardbridge.demo.play import HTTP_PORT, MLLP_PORT, Demo, DemoError
from wardbridge.demo.screen import Screen
from wardbridge.net.ports import all_free

FAILED: Final = 1
PORT_OFFSETS: Final = range(0, 50_000, 100)
PACE_S: Final = 1.2

Keep = Annotated[bool, typer.Option("--keep", help="leave the service up until Ctrl-C")]
Pace = Annotated[float, typer.Option("--pace", min=0, help="seconds a step takes at least")]
Told = Annotated[
    Path | None, typer.Option("--told", help="write what the wards were told, a line for each")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(*, keep: Keep = False, pace: Pace = PACE_S, told: Told = None) -> None:
    """Play a morning at two hospitals through the real service, in an empty folder.

    Exit 0: every ward was told what the story says. 1: not so.
    """
    # Each ends it, also where a shell starts it in the background and so has it ignore Ctrl-C: the
    # service must not stay behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="wardbridge-demo-"))
    performance = Demo(folder, Screen(console), _free_offset(), pace)
    try:
        _perform(performance, console, keep=keep)
    except DemoError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(FAILED) from None
    finally:
        shutil.rmtree(folder)
    if told is not None:
        told.write_text("".join(json.dumps(notice) + "\n" for notice in performance.told))


def _perform(performance: Demo, console: Console, *, keep: bool) -> None:
    screen = performance.screen
    screen.title("A morning at two hospitals")
    with performance.service():
        performance.play()
        performance.show_end()
        if keep:
            _stay(performance, console)


def _stay(performance: Demo, console: Console) -> None:
    url = performance.base_url
    console.print(
        f"\nThe service is up, HL7 on port {MLLP_PORT + performance.offset}. Look at\n"
        f"  {url}/wards/NORR-MED in a browser\n  {url}/v1/wards/NORR-MED/inbound\n  {url}/v1/wards/NORR-MED/stream\n"
        f"  {url}/health\n  {url}/metrics\nCtrl-C ends it."
    )
    try:
        performance.wait()
    except KeyboardInterrupt:
        console.print("ended")


def _free_offset() -> int:
    for offset in PORT_OFFSETS:
        if all_free((MLLP_PORT + offset, HTTP_PORT + offset)):
            return offset
    typer.echo("no two free ports were found: end what listens on loopback", err=True)
    raise typer.Exit(COULD_NOT_RUN)
