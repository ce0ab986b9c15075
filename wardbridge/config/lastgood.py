"""Keeps the last valid ward register, for a start with a damaged one.

Invariant: a change of the register that cannot be read has not happened: the service goes on with what it knew, and
says so until somebody has mended it. Only the register is replaced so, and only by one with which all else in the
configuration agrees. Whoever only checks is told that it is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from bus import durable
from schemas.ward import WardRegister
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigProblem
from wardbridge.config.wards import RegisterError, read_register, register_in

SUFFIX: Final = ".last-good"
"""Behind the register's own name, in the data folder: what is kept of another file is not used for this one."""

_SHOWN: Final = 5


def load_to_run(
    file: Path, data: Path, environment: Mapping[str, str] = os.environ
) -> Installation:
    """The configuration to begin with, if need be with the last good register. Raises ConfigError."""
    return load(file, data, environment, lambda register: kept_of(data, register))


def kept_of(data: Path, register: Path) -> Path:
    """Where the last good one of a register is kept."""
    return data / f"{register.name}{SUFFIX}"


def keep(found: Installation) -> None:
    """Keep the register that it begins with. Raises OSError.

    A file that was changed since it was read is not kept: nobody has looked whether it is right.
    """
    register = _register_file(found)
    if register is None or found.damage:
        return
    kept = kept_of(found.data, register)
    content = register.read_bytes()
    is_kept = kept.is_file() and kept.read_bytes() == content
    if not is_kept and _is(found.register, content, register):
        durable.write(kept, content)


def _is(known: WardRegister, content: bytes, file: Path) -> bool:
    try:
        return register_in(content, file).wards == known.wards
    except RegisterError:
        return False


def trouble_of(found: Installation) -> str | None:
    """What health says of it while the last good register is used."""
    if not found.damage:
        return None
    first, *others = found.damage
    more = f" (and {len(others)} more)" if others else ""
    return (
        f"the ward register is damaged, and the one of the last good start is used: {first}{more}"
    )


def lost(found: Installation) -> list[ConfigProblem]:
    """What the last register had and this one has no more: somebody's work, or a file that was cut."""
    register = _register_file(found)
    if register is None or found.damage:
        return []
    try:
        last = read_register(kept_of(found.data, register))
    except RegisterError:
        return []
    return [ConfigProblem((), text, register) for text in _lost(last, found.register)]


def _lost(last: WardRegister, now: WardRegister) -> Iterator[str]:
    advice = "restore the file from a copy if that was not meant"
    for what, gone in (
        ("wards", set(last.wards) - set(now.wards)),
        ("codes", _codes(last) - _codes(now)),
    ):
        if gone:
            named = ", ".join(sorted(gone)[:_SHOWN]) + ", …" * (len(gone) > _SHOWN)
            yield f"{len(gone)} {what} of the last start are gone ({named}); {advice}"


def _codes(register: WardRegister) -> AbstractSet[str]:
    return {
        f"{source}: {code}"
        for ward in register.wards.values()
        for source, codes in ward.aliases.items()
        for code in codes
    }


def _register_file(found: Installation) -> Path | None:
    file = found.settings.wards.register_file
    return found.data / file if file else None
