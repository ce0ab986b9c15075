"""From a TOML file to an :class:`Installation`, or to every reason why not.

In this order: the file is TOML; its references are replaced, and the profiles that are files of
their own laid under their feeds; every table has the shape of its model, each feed that of its
adapter's; names that refer to one another exist; no two parts want what only one can have; the ward
register can be read; each feed's settings agree with themselves and with the register. Each is looked for in
whatever is right so far, so that all errors are told at once. Only a file that is no TOML ends it early.
Where another register may be used instead of one that cannot be read, all else must agree with that one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from adapters.common.configured import HOLDS_BY, ExclusiveResource, held_port
from adapters.common.feed import FeedIdentity
from router.delivery.channels import KINDS as CHANNELS
from router.delivery.channels.kind import ChannelContext
from schemas.ward import WardRegister
from wardbridge.config.cross_references import (
    Names,
    hospitals_in_vain,
    names_in,
    unsaid,
    wrong_references,
)
from wardbridge.config.kinds import KINDS
from wardbridge.config.models import Feed, FeedSection, HttpSection, Installation, Settings
from wardbridge.config.parts import (
    CheckedTables,
    as_far_as_right,
    own_settings,
    parts_of,
    profile_model,
    tables_in,
)
from wardbridge.config.problems import (
    ConfigError,
    ConfigProblem,
    Place,
    did_you_mean,
    where_paths_start,
)
from wardbridge.config.profiles import Profiles
from wardbridge.config.secretfiles import about_secrets, damaged_files, missing_files, open_folders
from wardbridge.config.substitution import Substitution
from wardbridge.config.toml import Table, TomlFile
from wardbridge.config.wards import RegisterError, read_register, sources_in
from wardbridge.config.warned import warnings_of

_NAME = re.compile(r"[\w.-]+")


def load(
    file: Path,
    data: Path,
    environment: Mapping[str, str] = os.environ,
    instead: Callable[[Path], Path] | None = None,
) -> Installation:
    """Read and check a configuration; its paths start from ``data``. Raises ConfigError.

    ``instead``: which register to use where the configured one is damaged.
    """
    source = TomlFile.read(file)
    substitution = Substitution(environment, data)
    profiles = Profiles(data, substitution)
    table = _with_profiles(substitution.apply(source.table), profiles)
    problems = substitution.problems + profiles.problems
    parts = parts_of(table, problems)
    wards, damage = _usable(table, data, instead)
    feeds = _feeds(parts.settings, parts.models)
    problems += _disagreements(table, parts, wards)
    doubts, doubtful = _tried(feeds, wards.register)
    problems += doubts
    if wards.register is None or not parts.is_whole or problems:
        raise ConfigError(_located(source, profiles, _first_of_each_key([*problems, *damage])))
    found = Installation(file, data, parts.settings, feeds, wards.register, damage=damage)
    warned = [*warnings_of(found), *doubtful]
    for look in (missing_files, damaged_files, open_folders):
        warned += look(source.table, data)
    warned += about_secrets(source.table, file, data)
    return replace(found, warned=tuple(_located(source, profiles, warned)))


def _with_profiles(table: Table, profiles: Profiles) -> Table:
    whole = {
        name: profiles.laid_under(name, feed, model)
        for name, feed in tables_in(table, "feeds").items()
        if (model := profile_model(feed))
    }
    return {**table, "feeds": {**table["feeds"], **whole}} if whole else table


def _first_of_each_key(problems: Iterable[ConfigProblem]) -> Iterable[ConfigProblem]:
    """The others of a key only follow from the first."""
    first: dict[ConfigProblem | Place, ConfigProblem] = {}
    for problem in problems:
        first.setdefault(problem if problem.file else problem.place, problem)
    return first.values()


def _located(
    source: TomlFile, profiles: Profiles, problems: Iterable[ConfigProblem]
) -> list[ConfigProblem]:
    """Each with its file and line, in their order."""
    found = [
        problem if problem.file else profiles.located(problem) or source.located(problem)
        for problem in problems
    ]
    return sorted(found, key=lambda problem: (problem.file != source.path, problem.line or 0))


# -- what must agree with one another ---------------------------------------------------------


def _disagreements(table: Table, parts: CheckedTables, wards: Wards) -> Iterator[ConfigProblem]:
    settings, right = parts.settings, parts.right
    yield from _odd_names(table)
    yield from unsaid(table)
    yield from wrong_references(table, {**names_in(table), **wards.names})
    yield from wards.problems
    if wards.register is not None and wards.register.is_open:
        yield from hospitals_in_vain(table)
    if "log" in right:
        yield from _odd_channels(settings)
    if "identities" in right:
        yield from _names_in_vain(settings)
    yield from _wanted_twice(table)


def _odd_names(table: Table) -> Iterator[ConfigProblem]:
    """Names become parts of keys in the log, of addresses and of metrics' labels."""
    places = [
        (key, name)
        for key in ("realms", "sources", "feeds", "subscribers")
        for name in tables_in(table, key)
    ]
    access = tables_in(tables_in(table, "http"), "access") if "http" in table else {}
    places += [
        ("http.access", name)
        for shown in ("tokens", "certificates")
        for name in access.get(shown, ())
    ]
    for place in places:
        if not _NAME.fullmatch(place[1]):
            yield ConfigProblem(place, "a name has letters, digits, '-', '_' and '.' only")


def _odd_channels(settings: Settings) -> Iterator[ConfigProblem]:
    """What only all subscribers of a channel together show."""
    cluster = settings.log.kafka if settings.log.engine == "kafka" else None
    around = ChannelContext(cluster.prefix if cluster else None)
    for kind in CHANNELS.values():
        named = {n: s.settings for n, s in settings.subscribers.items() if s.channel == kind.name}
        for name, key, text in kind.faults(named, around):
            yield ConfigProblem(("subscribers", name, *([key] if key else [])), text)


def _names_in_vain(settings: Settings) -> Iterator[ConfigProblem]:
    """``fields = "identified"`` requires ``[identities] keep = true``."""
    if settings.identities.keep:
        return
    text = "identified: names are told only where they are kept: [identities] keep = true"
    for below, granted in settings.http.access.granted() if settings.http.access else ():
        if granted.fields == "identified":
            yield ConfigProblem(("http", "access", *below, "fields"), text)
    for name, subscriber in settings.subscribers.items():
        if subscriber.fields == "identified":
            yield ConfigProblem(("subscribers", name, "fields"), text)


# -- what only one can have -------------------------------------------------------------------


def _wanted_twice(table: Table) -> Iterator[ConfigProblem]:
    """Also by a part that is not all right, as long as what it wants is."""
    http = table.get("http", {})
    section = as_far_as_right(HttpSection, http, HOLDS_BY) if isinstance(http, dict) else None
    holders = {held_port(section.host, section.port): "http"} if section else {}
    for name, feed in tables_in(table, "feeds").items():
        place = ("feeds", name)
        for held in _held(name, feed, table):
            holder = holders.setdefault(held, ".".join(place))
            if holder != ".".join(place):
                yield ConfigProblem(place, f"{held.what}: {holder} has that already; {held.advice}")


def _held(name: str, feed: Table, table: Table) -> Iterable[ExclusiveResource]:
    kind = KINDS.get(str(feed.get("kind")))
    settings = as_far_as_right(kind.settings, own_settings(feed), HOLDS_BY) if kind else None
    if kind is None or settings is None:
        return ()
    source = str(feed.get("source") or name)  # one that is not said is nobody else's
    realm = str(feed.get("realm") or next(iter(tables_in(table, "realms")), ""))
    return kind.holds(FeedIdentity(name, source, realm), settings)


# -- the ward register ------------------------------------------------------------------------


class Wards(NamedTuple):
    """The register, if it can be used; the names in it, as far as they can be read; what is wrong."""

    register: WardRegister | None
    names: Names
    problems: tuple[ConfigProblem, ...] = ()


def _usable(
    table: Table, data: Path, instead: Callable[[Path], Path] | None
) -> tuple[Wards, tuple[ConfigProblem, ...]]:
    """The wards; where the configured register is damaged, those of the other, and what is wrong with it."""
    path = _register_file(table, data)
    if path is None:
        return Wards(WardRegister(open_register=True), {}), ()
    configured = _wards(table, path, where_paths_start(table["wards"]["register"], data))
    if configured.problems and instead is not None:
        other = _wards(table, instead(path))
        if not other.problems:
            return other, configured.problems
    return configured, ()


def _register_file(table: Table, data: Path) -> Path | None:
    file = table["wards"].get("register") if isinstance(table.get("wards"), dict) else None
    return data / file if isinstance(file, str) and file else None


def _wards(table: Table, path: Path, hint: str = "") -> Wards:
    unknown = tuple(_unknown_sources(path, names_in(table).get("source")))
    try:
        register = read_register(path, hint)
    except RegisterError as error:
        names: Names = {"ward": error.wards, "hospital": error.hospitals}
        return Wards(None, names, (*unknown, *error.problems))
    hospitals = {ward.hospital for ward in register.wards.values()}
    return Wards(register, {"ward": register.wards, "hospital": hospitals}, unknown)


def _unknown_sources(file: Path, sources: Collection[str] | None) -> Iterator[ConfigProblem]:
    """Codes in a column of a source that does not exist would be known to nobody."""
    for column, source in sources_in(file) if sources is not None else ():
        if source not in (sources or ()):
            text = f"there is no source {source!r}; {did_you_mean(source, sources or ())}"
            yield ConfigProblem((f"{column}{source}",), text, file, 1)


# -- the feeds --------------------------------------------------------------------------------


def _tried(
    feeds: Iterable[Feed], register: WardRegister | None
) -> tuple[list[ConfigProblem], list[ConfigProblem]]:
    """What each feed's settings cannot mean, and what they probably should not."""
    errors: list[ConfigProblem] = []
    warned: list[ConfigProblem] = []
    known = register or WardRegister(open_register=True)
    for feed in feeds:
        for doubt in KINDS[feed.kind].doubts(feed.settings, feed.identity.source, known):
            found = ConfigProblem(("feeds", feed.identity.name, *doubt.place), doubt.text)
            (errors if doubt.is_error else warned).append(found)
    return errors, warned


def _realm(feed: FeedSection, settings: Settings) -> str:
    return feed.realm or (next(iter(settings.realms)) if len(settings.realms) == 1 else "")


def _feeds(settings: Settings, models: Mapping[str, BaseModel]) -> tuple[Feed, ...]:
    return tuple(
        _feed(FeedIdentity(name, feed.source, _realm(feed, settings)), feed.kind, models[name])
        for name, feed in settings.feeds.items()
        if name in models
    )


def _feed(identity: FeedIdentity, kind: str, settings: BaseModel) -> Feed:
    return Feed(identity, kind, settings, tuple(KINDS[kind].clears(settings)))
