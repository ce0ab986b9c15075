"""Reads data type CX: a number with its assigner, of patients (PID-3, MRG-1) and visits (PV1-19).

Source: HL7 v2.5.1 section 2A.14: number ^ check digit ^ scheme ^ assigner (HD) ^ type ^ facility ^
effective date ^ expiration date. The two dates are days, and the number is valid on both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from adapters.common.identity import assigner_names
from adapters.hl7v2.reader import NULL, Segment

_ASSIGNER, _TYPE, _EFFECTIVE, _EXPIRES = 4, 5, 7, 8
_DAY: Final = re.compile(r"\d{4}(?:\d\d(?:\d\d)?)?", re.ASCII)


class Cx(NamedTuple):
    """A number and what stands beside it; ``assigners`` has every name of whoever gave it, best first."""

    number: str
    assigners: tuple[str, ...]
    type: str
    effective: str
    expires: str

    def is_valid_on(self, day: str) -> bool:
        """Whether the number is valid on a day (``20260302``); a date that cannot be read limits nothing."""
        effective, expires = _as_exact(self.effective, day), _as_exact(self.expires, day)
        return effective[0] <= effective[1] and expires[1] <= expires[0]


def read_cx(segment: Segment, repetition: str, aliases: Mapping[str, str]) -> Cx | None:
    """What a repetition holds; None for one without a number. ``aliases``: the feed's `assigners`."""
    components = segment.components(repetition)
    number = segment.subcomponents(components[0])[0]
    if number in {"", NULL}:
        return None
    given = len(components)
    if given < _ASSIGNER:  # nothing beside it
        return Cx(number, (), "", "", "")
    names = assigner_names(_assigners(segment, components[_ASSIGNER - 1]), aliases)
    type_code = segment.subcomponents(components[_TYPE - 1])[0] if given >= _TYPE else ""
    if given < _EFFECTIVE:
        return Cx(number, names, type_code, "", "")
    effective = segment.subcomponents(components[_EFFECTIVE - 1])[0]
    expires = segment.subcomponents(components[_EXPIRES - 1])[0] if given >= _EXPIRES else ""
    return Cx(number, names, type_code, effective, expires)


def _assigners(segment: Segment, component: str) -> tuple[str, ...]:
    """The universal id, which nobody else has, before the namespace id."""
    if not component:
        return ()
    namespace, *universal = segment.subcomponents(component)
    return (*universal[:1], namespace.strip('"'))


def _as_exact(said: str, day: str) -> tuple[str, str]:
    """A date as far as it is said, and the day as exactly; twice the same where nothing is said."""
    found = _DAY.match(said)
    text = found[0] if found else ""
    return text, day[: len(text)]
