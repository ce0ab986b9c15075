"""Profiles in files of their own: what a record system means, written once for all its feeds.

A feed's ``profile_file`` is such a file; what stands in the feed's own ``profile`` table wins over
it, key by key, and what stands in neither is the adapter's default. A problem in a profile file is
told with that file and line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wardbridge.config.problems import ConfigError, Place, Problem
from wardbridge.config.substitution import Substitution
from wardbridge.config.toml import Table, TomlFile

KEY: Final = "profile_file"
_PROFILE: Final = "profile"


class Profiles:
    """The profile files of one configuration, each laid under the profile of its feeds."""

    def __init__(self, data: Path, substitution: Substitution) -> None:
        self.problems: list[Problem] = []
        self._data = data
        self._substitution = substitution
        self._files: dict[Place, TomlFile] = {}

    def laid_under(self, name: str, feed: Table) -> Table:
        """The feed's table with its profile whole."""
        file, own = feed.get(KEY), feed.get(_PROFILE, {})
        if not isinstance(file, str) or not isinstance(own, dict):
            return feed  # the models say what is wrong with it
        try:
            found = TomlFile.read(self._data / file)
        except ConfigError as error:
            self.problems += error.problems
            return feed
        place = ("feeds", name, _PROFILE)
        self._files |= {(*place, key): found for key in found.table.keys() - own.keys()}
        return {**feed, _PROFILE: {**self._substitution.apply(found.table, place), **own}}

    def located(self, problem: Problem) -> Problem | None:
        """The problem as one of a profile file, if it stands in one."""
        file = self._files.get(problem.place[:4])
        if file is None:
            return None
        head = Problem(problem.place[3:], f"{problem.text} (a profile of feeds.{problem.place[1]})")
        return file.located(head)
