"""What the terminal shows: each input as it goes in, each notice as a ward is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from wardbridge.demo.story import StoryStep

COLOURS: Final[Mapping[str, str]] = {
    "designated": "bold green",
    "changed": "yellow",
    "withdrawn": "magenta",
    "arrived": "cyan",
}


class Screen:
    """Prints lines as they happen; nothing moves, so it reads as well in a log as on a screen."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def title(self, text: str) -> None:
        """A heading."""
        self._console.rule(f"[bold]{text}")

    def step(self, number: int, step: StoryStep) -> None:
        """An input is sent."""
        kind = "HL7 " if step.is_message else "file"
        self._console.print(f"[dim]{number:02d} {kind}[/] {step.says}")

    def answer(self, text: str) -> None:
        """What the sender was told."""
        self._console.print(f"        [dim]→ {text}[/]")

    def notice(self, notice: Mapping[str, Any]) -> None:
        """A ward is told."""
        data = notice["data"]
        kind, reason = data["kind"], data["reason"]
        details = [reason, f"visit {data['visit']['visit'][:10]}"]
        if data.get("expected_at"):
            details.append(f"expected {data['expected_at'][11:16]}Z")
        details += [f"changed: {name}" for name in data.get("changes", ())]
        self._console.print(
            f"        [bold]{data['ward']:<10}[/] #{data['sequence']} "
            f"[{COLOURS[kind]}]{kind}[/] ({', '.join(details)})"
        )

    def review(self, items: Sequence[Mapping[str, Any]]) -> None:
        """What waits for a person."""
        table = Table(title="In review", title_justify="left")
        for column in ("feed", "reason", "where", "what to do"):
            table.add_column(column, overflow="fold")
        for item in items:
            table.add_row(item["feed"], item["reason"], item.get("where") or "", item["detail"])
        self._console.print(table)

    def ward(self, name: str, patients: Sequence[Mapping[str, Any]]) -> None:
        """A ward's list at the end."""
        coming = ", ".join(
            f"visit {p['visit']['visit'][:10]} expected {(p.get('expected_at') or '?')[11:16]}Z"
            for p in patients
        )
        self._console.print(f"[bold]{name:<10}[/] {coming or '[dim]nobody is on the way[/]'}")
