"""From a TOML file to an :class:`Installation`, or to every reason why not.

In this order: the file is TOML; its references are replaced, and the profiles that are files of
their own laid under their feeds; every table has the shape of its model, each feed that of its
adapter's; names that refer to one another exist; no two parts want what only one can have; the ward
register can be read. A later stage runs only where the earlier ones left something to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from adapters.common.feed import FeedIdentity
from schemas.ward import WardRegister
from wardbridge.config.models import Feed, FeedSection, HttpSection, Installation, Settings
from wardbridge.config.owntopics import odd_topics
from wardbridge.config.problems import ConfigError, Place, Problem, did_you_mean, problems_of
from wardbridge.config.profiles import KEY as PROFILE_FILE
from wardbridge.config.profiles import PROFILE, Profiles
from wardbridge.config.substitution import Substitution
from wardbridge.config.toml import Table, TomlFile
from wardbridge.feeds.kind import held_port
from wardbridge.feeds.kinds import KINDS
from wardbridge.wards import ALIAS, FACILITY, RegisterError, read_register

_NO_HOSPITALS = "an open ward register has no hospitals: give a register file"
_NAME = re.compile(r"[\w.-]+")
_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_HEAD = frozenset(FeedSection.model_fields)
Model = TypeVar("Model", bound=BaseModel)


def load(file: Path, data: Path, environment: Mapping[str, str] = os.environ) -> Installation:
    """Read and check a configuration; its paths start from ``data``. Raises ConfigError."""
    source = TomlFile.read(file)
    substitution = Substitution(environment, data)
    profiles = Profiles(data, substitution)
    table = _with_profiles(substitution.apply(source.table), profiles)
    problems = substitution.problems + profiles.problems
    settings, models = _shapes(table, problems)
    register = None
    if settings is not None:
        problems += _odd_names(settings)
        problems += odd_topics(settings)
        problems += _unknown_names(settings)
        problems += _names_in_vain(settings)
        problems += _wanted_twice(_feeds(settings, models), settings.http)
        register = _register(settings, data, problems)
    if register is None or settings is None or problems:
        raise ConfigError(_located(source, profiles, problems))
    return Installation(file, data, settings, _feeds(settings, models), register)


def _with_profiles(table: Table, profiles: Profiles) -> Table:
    whole = {
        name: profiles.laid_under(name, feed, model)
        for name, feed in _tables_in(table, "feeds").items()
        if (model := _profile_model(feed))
    }
    return {**table, "feeds": {**table["feeds"], **whole}} if whole else table


def _profile_model(feed: Table) -> type[BaseModel] | None:
    """What the profile of such a feed looks like; None for a kind that has none."""
    kind = KINDS.get(str(feed.get("kind")))
    field = kind.settings.model_fields.get(PROFILE) if kind else None
    return field.annotation if field else None


def _located(source: TomlFile, profiles: Profiles, problems: list[Problem]) -> list[Problem]:
    """Each with its file and line; of one key the first, which the others only follow from."""
    first: dict[Problem | Place, Problem] = {}
    for problem in problems:
        first.setdefault(problem if problem.file else problem.place, problem)
    return [
        problem if problem.file else profiles.located(problem) or source.located(problem)
        for problem in first.values()
    ]


# -- shapes -----------------------------------------------------------------------------------


def _shapes(table: Table, problems: list[Problem]) -> tuple[Settings | None, dict[str, BaseModel]]:
    """The file's own tables, and each feed's settings; problems are collected."""
    tables = _tables_in(table, "feeds")
    heads = {name: _part(feed, head=True) for name, feed in tables.items()}
    settings = _validated(
        Settings, {**table, "feeds": {**table["feeds"], **heads}} if tables else table, (), problems
    )
    models = {name: _feed_settings(name, feed, problems) for name, feed in tables.items()}
    return settings, {name: model for name, model in models.items() if model is not None}


def _tables_in(table: Table, key: str) -> dict[str, Table]:
    """The tables under a key, whatever else stands there."""
    found = table.get(key)
    named = found if isinstance(found, dict) else {}
    return {name: inner for name, inner in named.items() if isinstance(inner, dict)}


def _part(feed: Table, *, head: bool) -> Table:
    return {key: value for key, value in feed.items() if (key in _HEAD) == head}


def _feed_settings(name: str, feed: Table, problems: list[Problem]) -> BaseModel | None:
    kind = KINDS.get(str(feed.get("kind")))
    if kind is None:
        if "kind" in feed:
            text = f"unknown kind; {did_you_mean(str(feed['kind']), KINDS)}"
            problems.append(Problem(("feeds", name, "kind"), text))
        return None
    if PROFILE_FILE in feed and _profile_model(feed) is None:
        text = f"a feed of kind {feed['kind']!r} has no profile: take this key away"
        problems.append(Problem(("feeds", name, PROFILE_FILE), text))
        return None
    return _validated(kind.settings, _part(feed, head=False), ("feeds", name), problems)


def _validated(
    model: type[Model], table: Table, at: Place, problems: list[Problem]
) -> Model | None:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problems += problems_of(error, model, at)
        return None


# -- names that refer to one another ----------------------------------------------------------


def _odd_names(settings: Settings) -> Iterator[Problem]:
    """Names become parts of keys in the log, of addresses and of metrics' labels."""
    named = {
        "realms": settings.realms, "sources": settings.sources, "feeds": settings.feeds,
        "subscribers": settings.subscribers,
    }  # fmt: skip
    places = [(table, name) for table, names in named.items() for name in names]
    if access := settings.http.access:
        shown = [*access.tokens, *access.certificates]
        places += [("http.access", name) for name in shown]
    for place in places:
        if not _NAME.fullmatch(place[1]):
            yield Problem(place, "a name has letters, digits, '-', '_' and '.' only")
    for name, subscriber in settings.subscribers.items():
        if subscriber.fhir and not _FHIR_ID.fullmatch(name):
            place = ("subscribers", name)
            yield Problem(place, "the name is the FHIR id: at most 64 letters, digits, '-' and '.'")


def _unknown_names(settings: Settings) -> Iterator[Problem]:
    for name, feed in settings.feeds.items():
        yield from _unknown(("feeds", name, "source"), feed.source, settings.sources)
        yield from _unknown(("feeds", name, "realm"), _realm(feed, settings), settings.realms)
    tokens = settings.http.access.tokens if settings.http.access else {}
    for name, subscriber in settings.subscribers.items():
        if subscriber.fhir and subscriber.fhir.owner:
            owner = ("subscribers", name, "fhir", "owner")
            yield from _unknown(owner, subscriber.fhir.owner, tokens)
    for realm in settings.realms:
        if realm not in settings.authority:
            yield Problem(("authority", realm), "say whom to believe here: default = …")
    for realm, section in settings.authority.items():
        yield from _unknown(("authority", realm), realm, settings.realms)
        for place, source in section.named_sources():
            yield from _unknown(("authority", realm, *place), source, settings.sources)


def _names_in_vain(settings: Settings) -> Iterator[Problem]:
    """Who is to be told names that nobody keeps is told none."""
    if settings.identities.keep:
        return
    text = "identified: names are told only where they are kept: [identities] keep = true"
    for below, granted in settings.http.access.granted() if settings.http.access else ():
        if granted.fields == "identified":
            yield Problem(("http", "access", *below, "fields"), text)
    for name, subscriber in settings.subscribers.items():
        if subscriber.fields == "identified":
            yield Problem(("subscribers", name, "fields"), text)


def _unknown(place: Place, name: str, known: Mapping[str, object]) -> Iterator[Problem]:
    if not name:
        yield Problem(place, f"this key is required; {did_you_mean(name, known)}")
    elif name not in known:
        yield Problem(place, f"there is no {name!r}; {did_you_mean(name, known)}")


def _realm(feed: FeedSection, settings: Settings) -> str:
    return feed.realm or (next(iter(settings.realms)) if len(settings.realms) == 1 else "")


# -- what only one can have -------------------------------------------------------------------


def _wanted_twice(feeds: Iterable[Feed], http: HttpSection) -> Iterator[Problem]:
    holders = {held_port(http.host, http.port): "http"}
    for feed in feeds:
        place = ("feeds", feed.identity.name)
        for held in KINDS[feed.kind].holds(feed.identity, feed.settings):
            holder = holders.setdefault(held, ".".join(place))
            if holder != ".".join(place):
                yield Problem(place, f"{held.what}: {holder} has that already; {held.advice}")


# -- the ward register, and what must agree with it -------------------------------------------


def _register(settings: Settings, data: Path, problems: list[Problem]) -> WardRegister | None:
    file = settings.wards.register_file
    if file is None:
        problems += _named_in_vain(settings)
        return WardRegister(open_register=True)
    try:
        register = read_register(data / file)
    except RegisterError as error:
        problems += error.problems
        return None
    problems += _disagreements(settings, register)
    problems += _unknown_sources(data / file, register, settings.sources)
    return register


def _named_in_vain(settings: Settings) -> Iterator[Problem]:
    for realm, section in settings.realms.items():
        for hospital in section.fulfilled_by_hospital:
            yield Problem(("realms", realm, "fulfilled_by_hospital", hospital), _NO_HOSPITALS)
    for below, granted in settings.http.access.granted() if settings.http.access else ():
        if granted.hospitals:  # they would be granted nothing
            yield Problem(("http", "access", *below, "hospitals"), _NO_HOSPITALS)


def _disagreements(settings: Settings, register: WardRegister) -> Iterator[Problem]:
    hospitals = {ward.hospital: ward.id for ward in register.wards.values()}
    for realm, section in settings.realms.items():
        for hospital in section.hospitals:
            yield from _unknown(("realms", realm, "hospitals"), hospital, hospitals)
        for hospital in section.fulfilled_by_hospital:
            place = ("realms", realm, "fulfilled_by_hospital", hospital)
            yield from _unknown(place, hospital, hospitals)
    for realm, authority in settings.authority.items():
        for hospital in authority.hospitals:
            yield from _unknown(("authority", realm, "hospitals", hospital), hospital, hospitals)
        for ward in authority.wards:
            yield from _unknown(("authority", realm, "wards", ward), ward, register.wards)
    for name, subscriber in settings.subscribers.items():
        for hospital in subscriber.hospitals:
            yield from _unknown(("subscribers", name, "hospitals"), hospital, hospitals)
        for ward in subscriber.wards:
            yield from _unknown(("subscribers", name, "wards"), ward, register.wards)
    yield from _granted_in_vain(settings, register, hospitals)


def _granted_in_vain(
    settings: Settings, register: WardRegister, hospitals: Mapping[str, object]
) -> Iterator[Problem]:
    for place, granted in settings.http.access.granted() if settings.http.access else ():
        for hospital in granted.hospitals:
            yield from _unknown(("http", "access", *place, "hospitals"), hospital, hospitals)
        for ward in granted.wards:
            yield from _unknown(("http", "access", *place, "wards"), ward, register.wards)


def _unknown_sources(
    file: Path, register: WardRegister, sources: Mapping[str, object]
) -> Iterator[Problem]:
    """Codes under a source that does not exist would be known to nobody."""
    for column, named in (
        (ALIAS, {source for ward in register.wards.values() for source in ward.aliases}),
        (FACILITY, {source for ward in register.wards.values() for source in ward.facilities}),
    ):
        for source in sorted(named - sources.keys()):
            text = f"there is no source {source!r}; {did_you_mean(source, sources)}"
            yield Problem((f"{column}{source}",), text, file, 1)


def _feeds(settings: Settings, models: Mapping[str, BaseModel]) -> tuple[Feed, ...]:
    return tuple(
        _feed(FeedIdentity(name, feed.source, _realm(feed, settings)), feed.kind, models[name])
        for name, feed in settings.feeds.items()
        if name in models
    )


def _feed(identity: FeedIdentity, kind: str, settings: BaseModel) -> Feed:
    return Feed(identity, kind, settings, tuple(KINDS[kind].clears(settings)))
