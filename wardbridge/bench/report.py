"""The figures as a table: each beside its floor and aim."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from wardbridge.bench.figure import Figure

LARGE = 100


def show(figures: Iterable[Figure], console: Console) -> bool:
    """Print each as it comes; whether none was below its floor."""
    console.print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    )
    good = True
    table = Table(show_edge=False)
    for column in ("what", "measured", "floor", "aim", "reaches", ""):
        table.add_column(
            column, justify="right" if column in {"measured", "floor", "aim"} else "left"
        )
    for figure in figures:
        console.print(f"[dim]{figure.what}: {_number(figure.value)} {figure.unit}[/]")
        table.add_row(*_cells(figure))
        good = good and figure.verdict != "BELOW"
    console.print(table)
    return good


def _cells(figure: Figure) -> tuple[str, ...]:
    floor = "" if figure.floor is None else _number(figure.floor)
    aim = "" if figure.aim is None else _number(figure.aim)
    measured = f"{_number(figure.value)} {figure.unit}"
    return (figure.what, measured, floor, aim, figure.verdict, figure.note)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= LARGE else f"{value:.3g}"
