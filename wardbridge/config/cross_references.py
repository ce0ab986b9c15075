"""Checks that names which refer to other tables exist.

So they are found whatever else is wrong with the file: a misspelt key elsewhere hides no ward that the register has
not. A set of names that cannot be known (its own table is no table) is not compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from wardbridge.config.problems import ConfigProblem, Place, did_you_mean
from wardbridge.config.toml import Table

Kind = Literal["source", "realm", "token", "ward", "hospital"]
Names = Mapping[Kind, Collection[str] | None]
ANY: Final = "*"
NO_HOSPITALS: Final = "an open ward register has no hospitals: give a register file"


class Reference(NamedTuple):
    """Where names stand: as the value of a key, in a list, as keys, or as the sources of a timeline."""

    path: tuple[str, ...]
    kind: Kind
    are_keys: bool = False


_GRANTS: Final = (
    ("http", "access", "tokens", ANY), ("http", "access", "certificates", ANY),
    ("http", "access", "oidc", "roles", ANY),
)  # fmt: skip
_AUTHORITY: Final = ("authority", ANY)
REFERENCES: Final = (
    Reference(("feeds", ANY, "source"), "source"),
    Reference(("feeds", ANY, "realm"), "realm"),
    Reference(("authority",), "realm", are_keys=True),
    Reference((*_AUTHORITY, "default"), "source"),
    Reference((*_AUTHORITY, "hospitals"), "hospital", are_keys=True),
    Reference((*_AUTHORITY, "hospitals", ANY), "source"),
    Reference((*_AUTHORITY, "wards"), "ward", are_keys=True),
    Reference((*_AUTHORITY, "wards", ANY), "source"),
    Reference(("realms", ANY, "hospitals"), "hospital"),
    Reference(("realms", ANY, "fulfilled_by_hospital"), "hospital", are_keys=True),
    Reference(("subscribers", ANY, "wards"), "ward"),
    Reference(("subscribers", ANY, "hospitals"), "hospital"),
    Reference(("subscribers", ANY, "token"), "token"),
    *(Reference((*grant, "wards"), "ward") for grant in _GRANTS),
    *(Reference((*grant, "hospitals"), "hospital") for grant in _GRANTS),
)
_IN_VAIN: Final = tuple(
    each
    for each in REFERENCES
    if (each.kind == "hospital" and each.path[0] in {"http", "realms"} and each.path[-1] != "hospitals")
    or (each.path[:2] == ("http", "access") and each.kind == "hospital")
)  # fmt: skip
"""Of an open register, which has none: what is granted or chosen by hospital would be nobody's."""


def names_in(table: Table) -> dict[Kind, Collection[str] | None]:
    """The names that the file itself gives."""
    return {
        "source": _keys(table, "sources"),
        "realm": _keys(table, "realms"),
        "token": _keys(table, "http", "access", "tokens", otherwise=()),
    }


def wrong_references(table: Table, names: Names) -> Iterator[ConfigProblem]:
    """Each name that is nobody's."""
    for reference in REFERENCES:
        known = names.get(reference.kind)
        if known is None:
            continue
        for place, name in _named(table, reference):
            if name and name not in known:
                yield ConfigProblem(place, f"there is no {name!r}; {did_you_mean(name, known)}")


def hospitals_in_vain(table: Table) -> Iterator[ConfigProblem]:
    """Where the register is open."""
    for reference in _IN_VAIN:
        for place, _ in _named(table, reference):
            yield ConfigProblem(place, NO_HOSPITALS)


def unsaid(table: Table) -> Iterator[ConfigProblem]:
    """What must be said because there are several realms, or none is believed in one."""
    realms = _keys(table, "realms")
    if realms is None:
        return
    authority = table.get("authority", {})
    for realm in realms if isinstance(authority, dict) else ():
        if realm not in authority:
            yield ConfigProblem(("authority", realm), "say whom to believe here: default = …")
    for name, feed in _tables(table, "feeds"):
        if len(realms) > 1 and not feed.get("realm"):
            yield ConfigProblem(
                ("feeds", name, "realm"), f"this key is required; {did_you_mean('', realms)}"
            )


def _named(table: Table, reference: Reference) -> Iterator[tuple[Place, str]]:
    for place, value in _at(table, reference.path, ()):
        if reference.are_keys:
            for key in value if isinstance(value, dict) else ():
                yield (*place, key), key
        else:
            for name in _texts(value):
                yield place, name


def _at(value: Any, path: tuple[str, ...], place: Place) -> Iterator[tuple[Place, Any]]:  # noqa: ANN401 - any TOML value
    if not path:
        yield place, value
    elif isinstance(value, dict):
        for key in value if path[0] == ANY else [path[0]]:
            if key in value:
                yield from _at(value[key], path[1:], (*place, key))


def _texts(value: object) -> Iterator[str]:
    """A name, several, or those of a timeline's entries."""
    listed = value if isinstance(value, list) else [value]
    for each in listed:
        found = each.get("source") if isinstance(each, dict) else each
        if isinstance(found, str):
            yield found


def _keys(
    table: Table, *path: str, otherwise: Collection[str] | None = None
) -> Collection[str] | None:
    found = next((value for _, value in _at(table, path, ())), None)
    return list(found) if isinstance(found, dict) else otherwise


def _tables(table: Table, key: str) -> Iterator[tuple[str, Table]]:
    found = table.get(key)
    for name, inner in found.items() if isinstance(found, dict) else ():
        if isinstance(inner, dict):
            yield name, inner
