"""Profiles in files of their own, shared by several feeds.

A feed's ``profile_file`` is such a file; what stands in the feed's own ``profile`` table wins over
it, field by field, and what stands in neither is the adapter's default. A table of names that the
reader chooses (``marks``, ``protection``) is one field. A problem in a profile file is told with that
file and line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from wardbridge.config.problems import (
    ConfigError,
    ConfigProblem,
    Place,
    fields_by_key,
    is_model,
    where_paths_start,
)
from wardbridge.config.substitution import Substitution
from wardbridge.config.toml import Table, TomlFile

KEY: Final = "profile_file"
PROFILE: Final = "profile"


class Profiles:
    """The profile files of one configuration, each laid under the profile of its feeds."""

    def __init__(self, data: Path, substitution: Substitution) -> None:
        self.problems: list[ConfigProblem] = []
        self._data = data
        self._substitution = substitution
        self._files: dict[Place, TomlFile] = {}

    def laid_under(self, name: str, feed: Table, model: type[BaseModel]) -> Table:
        """The feed's table with its profile, of that model, whole."""
        file, own = feed.get(KEY), feed.get(PROFILE, {})
        if not isinstance(file, str) or not isinstance(own, dict):
            return feed  # the models say what is wrong with it
        try:
            found = TomlFile.read(self._data / file)
        except ConfigError as error:
            hint = where_paths_start(file, self._data)
            self.problems += [replace(each, text=each.text + hint) for each in error.problems]
            return feed
        place = ("feeds", name, PROFILE)
        below = self._substitution.apply(found.table, place)
        return {**feed, PROFILE: self._laid(below, own, model, place, found)}

    def _laid(
        self, below: Table, own: Table, model: type[BaseModel], place: Place, file: TomlFile
    ) -> Table:
        whole, kinds = dict(own), fields_by_key(model)
        for key, value in below.items():
            kind, inner = kinds.get(key), own.get(key)
            if key not in own:
                self._files[*place, key] = file
                whole[key] = value
            elif is_model(kind) and isinstance(value, dict) and isinstance(inner, dict):
                whole[key] = self._laid(value, inner, kind, (*place, key), file)
        return whole

    def located(self, problem: ConfigProblem) -> ConfigProblem | None:
        """The problem as one of a profile file, if it stands in one."""
        starts = (problem.place[:length] for length in range(len(problem.place), 3, -1))
        file = next((self._files[start] for start in starts if start in self._files), None)
        if file is None:
            return None
        head = ConfigProblem(
            problem.place[3:], f"{problem.text} (a profile of feeds.{problem.place[1]})"
        )
        return file.located(head)
