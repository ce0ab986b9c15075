"""``wardbridge bench``: measures the performance budget on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from wardbridge.bench import adt, encounters, exports, live, log, report, routing, streams, webhooks
from wardbridge.bench.engine import Engine
from wardbridge.bench.figure import Figure

BELOW_FLOOR: Final = 1


class Benchmark(StrEnum):
    """What can be measured by itself."""

    ADT = "adt"
    FHIR = "fhir"
    LOG = "log"
    ROUTER = "router"
    RESTART = "restart"
    EXPORTS = "exports"
    ACKNOWLEDGED = "acknowledged"
    TOLD = "told"
    STREAMS = "streams"
    DELIVER = "deliver"


Offset = Annotated[int, typer.Option("--port-offset", min=0, help="added to the lab's ports")]
Brokers = Annotated[
    str,
    typer.Option(
        "--brokers", metavar="HOST:PORT,…",
        help="measure `router`, `acknowledged`, `told`, `streams` and `deliver` on this cluster too",
    ),
]  # fmt: skip
Other = Annotated[
    int | None,
    typer.Option(
        "--beside", metavar="PORT",
        help="another MLLP listener on loopback: `acknowledged` is measured by turns with it",
    ),
]  # fmt: skip
Parts = Annotated[list[Benchmark] | None, typer.Argument(help="what to measure; all if not said")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    parts: Parts = None, port_offset: Offset = 20_000, brokers: Brokers = "", beside: Other = None
) -> None:
    """Measure the budget lines on this machine, each beside its floor. Takes minutes.

    Exit 0: none is below its floor. 1: some are.
    """
    console = Console()
    chosen = parts or list(Benchmark)
    good = report.show(_measured(chosen, port_offset, engines(brokers), beside), console)
    raise typer.Exit(0 if good else BELOW_FLOOR)


def engines(brokers: str) -> list[Engine]:
    """SQLite, and a cluster where one is named."""
    named = tuple(each.strip() for each in brokers.split(",") if each.strip())
    return [Engine(), Engine(named)] if named else [Engine()]


def _measured(
    parts: list[Benchmark], offset: int, engines: list[Engine], other: int | None
) -> Iterator[Figure]:
    def on_each(measure: Callable[[Engine], Iterator[Figure]]) -> Callable[[], Iterator[Figure]]:
        return lambda: (figure for engine in engines for figure in measure(engine))

    def acknowledged(engine: Engine) -> Iterator[Figure]:
        if other is None:
            return live.acknowledged(offset, engine)
        return live.compared(offset, engine, other)

    measures: Mapping[Benchmark, Callable[[], Iterator[Figure]]] = {
        Benchmark.ADT: adt.figures,
        Benchmark.FHIR: encounters.figures,
        Benchmark.LOG: lambda: log.figures(Path(tempfile.gettempdir())),
        Benchmark.ROUTER: on_each(routing.figures),
        Benchmark.RESTART: routing.restart_figures,
        Benchmark.EXPORTS: exports.figures,
        Benchmark.ACKNOWLEDGED: on_each(acknowledged),
        Benchmark.TOLD: on_each(lambda engine: live.told(offset, engine)),
        Benchmark.STREAMS: on_each(lambda engine: streams.figures(offset, engine)),
        Benchmark.DELIVER: on_each(lambda engine: webhooks.figures(offset, engine)),
    }
    for part in parts:
        yield from measures[part]()
