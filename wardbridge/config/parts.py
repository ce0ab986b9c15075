"""Validates the tables of the file one by one, so that one error does not hide the next.

What is right is checked further, so that one mistake does not hide the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from wardbridge.config.kinds import KINDS
from wardbridge.config.models import FeedSection, Settings
from wardbridge.config.problems import ConfigProblem, Place, did_you_mean, problems_of
from wardbridge.config.profiles import KEY as PROFILE_FILE
from wardbridge.config.profiles import PROFILE
from wardbridge.config.toml import Table

HEAD: Final = frozenset(FeedSection.model_fields)
Model = TypeVar("Model", bound=BaseModel)
_LEAST: Final[Table] = {
    "realms": {"x": {}}, "sources": {"x": {}}, "feeds": {"x": {"kind": "x", "source": "x"}},
    "wards": {"open": True},
}  # fmt: skip
"""The least that a file can say: each table is tried beside it, alone."""


class CheckedTables(NamedTuple):
    """``settings`` has only what is right, all of it where ``is_whole``; ``right``: the keys that are.

    ``models``: the settings of each feed, where they are right.
    """

    settings: Settings
    models: Mapping[str, BaseModel]
    right: frozenset[str]
    is_whole: bool


def parts_of(table: Table, problems: list[ConfigProblem]) -> CheckedTables:
    """The tables, and each feed's own settings; problems are collected."""
    feeds = tables_in(table, "feeds")
    heads = {name: _part(feed, head=True) for name, feed in feeds.items()}
    own = {**table, "feeds": {**table["feeds"], **heads}} if feeds else table
    whole = validated(Settings, own, (), problems)
    models = {name: _feed_settings(name, feed, problems) for name, feed in feeds.items()}
    known = {name: model for name, model in models.items() if model is not None}
    if whole is not None:
        return CheckedTables(whole, known, frozenset(Settings.model_fields), is_whole=True)
    right = {key: part for key in Settings.model_fields if (part := _right(key, own)) is not None}
    return CheckedTables(Settings.model_construct(**right), known, frozenset(right), is_whole=False)


def _right(key: str, table: Table) -> Any:  # noqa: ANN401 - any section, or a mapping of some
    """What is right of one of the file's tables: of tables by name, those that are. None: nothing."""
    if key not in table:
        return getattr(_least(), key) if key not in _LEAST else None
    value = table[key]
    if (found := _alone(key, {key: value})) is not None:
        return getattr(found, key)
    if not isinstance(value, dict) or not isinstance(getattr(_least(), key), Mapping):
        return None
    alone = ((name, _alone(key, {key: {name: each}})) for name, each in value.items())
    return {name: getattr(each, key)[name] for name, each in alone if each is not None}


def _alone(key: str, table: Table) -> Settings | None:
    try:
        return Settings.model_validate({**_LEAST, key: table[key]})
    except ValidationError:
        return None


@cache
def _least() -> Settings:
    return Settings.model_validate(_LEAST)


def as_far_as_right(model: type[Model], table: Table, needed: Collection[str] = ()) -> Model | None:
    """The table without what is wrong in it, to look for further mistakes; never to run by.

    None where one of the keys that are ``needed`` is wrong, or one that must be there is missing.
    """
    while True:
        try:
            return model.model_validate(table)
        except ValidationError as error:
            wrong = {each["loc"] for each in error.errors(include_url=False, include_input=False)}
        if not all(loc and loc[0] in table and loc[0] not in needed for loc in wrong):
            return None
        for loc in wrong:
            table = _without(table, loc)


def _without(table: Table, loc: Sequence[object]) -> Table:
    """The table without the innermost key of a place that it has."""
    first, *rest = loc
    if first not in table:  # it went with another
        return table
    inner = table[str(first)]
    if isinstance(inner, dict) and rest and rest[0] in inner:
        return {**table, str(first): _without(inner, rest)}
    return {key: value for key, value in table.items() if key != first}


def tables_in(table: Table, key: str) -> dict[str, Table]:
    """The tables under a key, whatever else stands there."""
    found = table.get(key)
    named = found if isinstance(found, dict) else {}
    return {name: inner for name, inner in named.items() if isinstance(inner, dict)}


def profile_model(feed: Table) -> type[BaseModel] | None:
    """What the profile of such a feed looks like; None for a kind that has none."""
    kind = KINDS.get(str(feed.get("kind")))
    field = kind.settings.model_fields.get(PROFILE) if kind else None
    return field.annotation if field else None


def own_settings(feed: Table) -> Table:
    """What of a feed's table its kind asks for."""
    return _part(feed, head=False)


def _part(feed: Table, *, head: bool) -> Table:
    return {key: value for key, value in feed.items() if (key in HEAD) == head}


def _feed_settings(name: str, feed: Table, problems: list[ConfigProblem]) -> BaseModel | None:
    kind = KINDS.get(str(feed.get("kind")))
    if kind is None:
        if "kind" in feed:
            text = f"unknown kind; {did_you_mean(str(feed['kind']), KINDS)}"
            problems.append(ConfigProblem(("feeds", name, "kind"), text))
        return None
    if PROFILE_FILE in feed and profile_model(feed) is None:
        text = f"a feed of kind {feed['kind']!r} has no profile: take this key away"
        problems.append(ConfigProblem(("feeds", name, PROFILE_FILE), text))
        return None
    return validated(kind.settings, _part(feed, head=False), ("feeds", name), problems)


def validated(
    model: type[Model], table: Table, at: Place, problems: list[ConfigProblem]
) -> Model | None:
    """The table in the shape of its model; None, and why, where it has another."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problems += problems_of(error, model, at)
        return None
