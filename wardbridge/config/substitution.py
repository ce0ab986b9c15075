"""``${NAME}`` from the environment and ``${file:PATH}`` from a file, in any string of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wardbridge.config.problems import ConfigProblem, Place, did_you_mean, where_paths_start

_REFERENCE = re.compile(r"\$\{(file:)?([^}]+)\}")


class Substitution:
    """Replaces references; what cannot be replaced is a problem, and all are collected."""

    def __init__(self, environment: Mapping[str, str], data: Path) -> None:
        self.problems: list[ConfigProblem] = []
        self._environment = environment
        self._data = data

    def apply(self, value: Any, place: Place = ()) -> Any:  # noqa: ANN401 - any TOML value
        """The same value with every reference replaced."""
        if isinstance(value, dict):
            return {key: self.apply(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.apply(inner, (*place, number)) for number, inner in enumerate(value)]
        if isinstance(value, str):
            return _REFERENCE.sub(lambda found: self._replace(found, place), value)
        return value

    def _replace(self, found: re.Match[str], place: Place) -> str:
        return self._file(found[2], place) if found[1] else self._variable(found[2], place)

    def _variable(self, name: str, place: Place) -> str:
        value = self._environment.get(name)
        if value is None:
            near = did_you_mean(name, [n for n in self._environment if n[:1] == name[:1]])
            suggestion = f"; {near}" if near.startswith("did") else ""
            self.problems.append(
                ConfigProblem(place, f"environment variable {name} is not set{suggestion}")
            )
        return value or ""

    def _file(self, name: str, place: Place) -> str:
        path = self._data / name
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            hint = where_paths_start(name, self._data)
            why = f"{error.strerror}; put it there, readable by our user{hint}"
        except UnicodeDecodeError:
            why = "it is not UTF-8; restore it from a copy"
        self.problems.append(ConfigProblem(place, f"{path} cannot be read: {why}"))
        return ""
