"""``wardbridge schema``: prints or registers the JSON Schemas and the AsyncAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from schemas.documents import Document, asyncapi, json_schemas
from wardbridge.cli._shared import HERE, DataOption, LogConfigOption, installation, refuse
from wardbridge.logstore.schema_registry import RegistryError, SchemaRegistry, subjects

ASYNCAPI: Final = "asyncapi"
NameArgument = Annotated[str | None, typer.Argument(help="one document; none: list the names")]
RegisterOption = Annotated[
    bool, typer.Option("--register", help="register each topic's at [log.kafka.registry]")
]
WriteOption = Annotated[
    Path | None, typer.Option("--write", help="write every document into this folder")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(
    name: NameArgument = None,
    write: WriteOption = None,
    config: LogConfigOption = None,
    data: DataOption = HERE,
    *,
    register: RegisterOption = False,
) -> None:
    """List the JSON Schemas and the AsyncAPI document, print one, write or register all."""
    documents = {**json_schemas(), ASYNCAPI: asyncapi()}
    if register:
        _register(config, data)
    elif write is not None:
        _write(documents, write)
    elif name is None:
        typer.echo("\n".join(sorted(documents)))
    elif name in documents:
        typer.echo(_text(documents[name]), nl=False)
    else:
        refuse(f"there is no document {name!r}; known: {', '.join(sorted(documents))}")


def _register(config: Path | None, data: Path) -> None:
    kafka = installation(config, data).settings.log.kafka if config else None
    if kafka is None or kafka.registry is None:
        refuse("--register: give --config, with a table [log.kafka.registry] in it")
    try:
        registry = SchemaRegistry(kafka.registry, data)
        for subject in subjects(kafka):
            typer.echo(f"{subject.name}: schema {registry.register(subject)}")
    except (RegistryError, OSError) as error:
        refuse(f"not registered: {error}")


def _write(documents: dict[str, Document], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        suffix = ".json" if name == ASYNCAPI else ".schema.json"
        (folder / f"{name}{suffix}").write_text(_text(document), encoding="utf-8")


def _text(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
