"""What ``deploy/`` holds for containers, as values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.packaging.project import ROOT

DEPLOY = ROOT / "deploy"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")
_FILE = re.compile(r"\$\{file:([^}]+)\}")


class Instruction(NamedTuple):
    """One line of a Dockerfile, continuations joined: its word and the rest."""

    word: str
    rest: str

    @property
    def argument_list(self) -> list[str]:
        """Of the exec form."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def dockerfile() -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM on; ARGs before the first are left out."""
    text = (DEPLOY / "image" / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    stages: list[list[Instruction]] = []
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        if stages:
            stages[-1].append(Instruction(word, " ".join(rest.split())))
    return stages


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))


def kubernetes() -> dict[tuple[str, str], Any]:
    """Kind and name to the resource."""
    found = [
        resource
        for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
        if path.name != "kustomization.yaml"
        for resource in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def variables_of(configuration: Path) -> set[str]:
    """The environment variables that a configuration needs."""
    return set(_VARIABLE.findall(settings_of(configuration)))


def files_of(configuration: Path) -> set[str]:
    """The files that a configuration takes secrets from."""
    text = settings_of(configuration)
    return set(_FILE.findall(text)) | set(re.findall(r'_file = "([^"]+)"', text))


def settings_of(configuration: Path) -> str:
    """Its text without comments."""
    text = configuration.read_text(encoding="utf-8")
    return "\n".join(line.partition("#")[0] for line in text.splitlines())
