"""``wardbridge topics``: the topics table."""

from __future__ import annotations

import typer

from schemas.topics import DAY_S, TOPICS, Topic, own_topic


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("topics")(topics)


def topics() -> None:
    """List every topic: name, what routes it, its key, how long it is kept, who writes and reads."""
    head = ("topic", "route", "key", "kept", "written by", "read by")
    for row in (head, *map(_row, (*TOPICS, own_topic("<name>")))):
        typer.echo("{:<18}{:<12}{:<28}{:<11}{:<18}{}".format(*row))


def _row(topic: Topic) -> tuple[str, ...]:
    kept = "compacted" if topic.retention_s is None else f"{topic.retention_s // DAY_S} days"
    return (topic.name, topic.route, topic.key, kept, topic.writer, topic.readers)
