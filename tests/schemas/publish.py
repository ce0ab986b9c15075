"""Writes the published documents from the models: ``make schema``.

JSON Schemas as ``<name>.schema.json``, the AsyncAPI document as ``asyncapi.yaml``.
"""

import json
from pathlib import Path

import yaml

from schemas import documents

PUBLISHED_FOLDER = Path(documents.__file__).parent / "published"
RELEASED_FOLDER = Path(documents.__file__).parent / "released"
ASYNCAPI_NAME = "asyncapi.yaml"
_ABOUT = "# Generated from the models and the topics table in schemas/: make schema\n"


def rendered() -> dict[str, str]:
    """File name -> content, for every published document."""
    texts = {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in documents.json_schemas().items()
    }
    return texts | {ASYNCAPI_NAME: _ABOUT + as_yaml(documents.asyncapi())}


def as_yaml(document: documents.Document) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text


def write(folder: Path) -> None:
    """Brings ``folder`` to what the models say; files of documents that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = rendered()
    for stale in {path.name for path in folder.iterdir()} - set(texts):
        (folder / stale).unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(PUBLISHED_FOLDER)
