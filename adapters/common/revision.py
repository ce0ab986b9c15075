"""The fingerprint of a feed's reading: equal exactly where every input is read alike.

It covers the feed's profile with its defaults, the names by which its source calls wards and their
hospitals, and the version of the adapter's own rules. Ports, secrets, limits, and what the register says of wards beside
those names do not change a reading, and are not in it. The order in which a table's keys stand does
not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any, Final

from pydantic import BaseModel

from adapters.common.stamp import ID_BYTES
from schemas.ward import WardRegister

SHARED_RULES: Final = 1
"""Raise it when what adapters share (identifiers, control characters, …) reads inputs otherwise."""


def fingerprint(
    kind: str, rules: int, profile: BaseModel, register: WardRegister, source: str
) -> str:
    """Of a feed of this kind and source; ``rules``: the adapter's own number, raised like ours."""
    told = {
        "kind": kind,
        "rules": [SHARED_RULES, rules],
        "profile": _plain(profile.model_dump(mode="python")),
        "wards": _names(register, source),
    }
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode(), digest_size=ID_BYTES).hexdigest()


def _names(register: WardRegister, source: str) -> object:
    """All that :meth:`WardRegister.resolve` knows of the source; an open register resolves any code."""
    wards = sorted(
        (
            ward.id,
            ward.hospital,
            sorted(ward.aliases.get(source, ())),
            sorted(ward.facilities.get(source, ())),
        )
        for ward in register.wards.values()
    )
    return {"open": register.is_open, "wards": wards}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a model
    """The same for JSON, with sets in a fixed order: that of a set differs between processes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
