"""One TOML file as it is on disk, and where in it a problem stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from wardbridge.config.lines import line_at, lines_of
from wardbridge.config.problems import ConfigError, ConfigProblem, Place

Table = dict[str, Any]
_LINE = re.compile(r"\(at line (\d+)")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file's tables as written, and the line of each key."""

    path: Path
    table: Table
    lines: Mapping[Place, int]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and parse it. Raises ConfigError."""
        text = _text_of(path)
        return cls(path, _parsed(path, text), lines_of(text))

    def located(self, problem: ConfigProblem) -> ConfigProblem:
        """The problem with its line in this file."""
        return replace(problem, file=self.path, line=line_at(self.lines, problem.place))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        why = f"cannot be read: {error.strerror}; put it there, readable by our user"
        raise ConfigError([ConfigProblem((), why, path)]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        why = "it is not UTF-8; write it as UTF-8, or restore it from a copy"
        raise ConfigError([ConfigProblem((), why, path, line)]) from None


def _parsed(path: Path, text: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        what = f"not TOML: {error}; correct this line"
        problem = ConfigProblem(
            (), what, path, int(line[1]) if line else max(1, len(text.splitlines()))
        )
        raise ConfigError([problem]) from None
