"""``wardbridge review``: what could not be understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from bus.port import Log
from bus.records import records_of
from schemas import topics
from schemas.review import ReviewItem
from wardbridge.commands._noted import Line, Looking
from wardbridge.commands._shared import (
    HERE,
    DataOption,
    LogConfigOption,
    log_for_reading,
    refuse,
)

FeedOption = Annotated[str | None, typer.Option("--feed", help="only this feed's")]
ItemId = Annotated[str, typer.Argument(metavar="ID", help="as `review list` gives it")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="What could not be understood, and why.")
    group.command("list")(list_items)
    group.command("show")(show)
    app.add_typer(group, name="review")


def list_items(
    data: DataOption = HERE, config: LogConfigOption = None, feed: FeedOption = None
) -> None:
    """One JSON object a line for each item kept, oldest first."""
    with log_for_reading(data, config) as log:
        wanted = (item for item in items(log) if feed in {None, item.feed})
        found = (Line(item.model_dump_json()) for item in wanted)
        Looking(log, data, "review list", (feed,)).show(found)


def show(item_id: ItemId, data: DataOption = HERE, config: LogConfigOption = None) -> None:
    """One item, and what the log keeps of its input. Never the input itself: it names patients."""
    with log_for_reading(data, config) as log:
        item = next((item for item in items(log) if item.id == item_id), None)
        if item is None:
            refuse(f"there is no review item {item_id!r}; `review list` gives those that are kept")
        raw = _raw(log, item) if item.raw else None
        text = json.dumps({**item.model_dump(mode="json"), "kept": raw}, indent=2)
        Looking(log, data, "review show", (item_id,)).show([Line(text)])


def items(log: Log) -> Iterator[ReviewItem]:
    """Every review item kept, oldest first in each partition."""
    for record in records_of(log, topics.REVIEW):
        yield ReviewItem.model_validate_json(record.value or b"")


def _raw(log: Log, item: ReviewItem) -> dict[str, Any] | None:
    for record in records_of(log, topics.RAW, item.realm):
        if item.raw and record.key == item.raw.id:
            headers = {name: value.decode() for name, value in record.headers}
            return {**headers, "topic": record.topic, "offset": record.offset}
    return None
