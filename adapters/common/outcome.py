"""The outcome of one input: accepted, in review or ignored, always with a reason.

An outcome is a value; making one does no I/O. ``reason`` is a stable kebab-case code, and texts
carry no patient data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from adapters.common.origin import ValueOrigin
from schemas.observation import Observation
from schemas.patient import PatientRow

ACCEPTED_WHOLE: Final = "accepted"
MAX_TEXT_CHARS: Final = 200
"""Longest text that leaves an adapter. Real codes and numbers have a few dozen; one of half a
megabyte would fit into a record here, and stop whoever writes two of them into a record later."""


class Verdict(StrEnum):
    """The three ends an input can have; nothing is ever dropped without one of them."""

    ACCEPTED = "accepted"
    REVIEW = "review"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that could not be understood: becomes a review item.

    ``where`` names the field (``PV1-3``), row and column, or FHIRPath expression. ``withholds``: a
    part of the input that stands by itself (an entry of a batch) is not used because of it.
    ``mark_unread``: a mark or its withdrawal, or what may hold one, tells nobody because of it.
    ``repeatable``: reading the same bytes again may do better; not where the request around them was
    refused. ``of_feed``: it is one of all that the feed sends now, such as a clock that is wrong: one item says
    so, until a person ends it.

    ``statement`` is the hash of the part that it is about, empty for the whole input, and ``within``
    the place in that part, where it is not ``where``: they make the same trouble of the same part one
    item, in whatever input it comes.
    """

    reason: str
    detail: str
    where: str | None = None
    withholds: bool = False
    mark_unread: bool = False
    repeatable: bool = True
    statement: str = ""
    within: str | None = None
    of_feed: bool = False


class Named(NamedTuple):
    """What names a statement through its corrections: of two of one name the newer takes the place of the other.

    ``nth`` is its version where the sender counts them; 0: what was received later is newer.
    """

    name: str
    nth: int = 0


@dataclass(frozen=True, slots=True)
class InputOutcome:
    """What one input means. ``warnings`` are troubles beside an accepted rest.

    ``degraded``: a stricter reader refuses the input, here, for a reason that does not touch us.
    ``origins``: where each observation's values come from, one after the other, if asked for.
    ``patients``: who they are about, where the installation keeps that. ``trouble``: why all of it
    waits, if it does. ``parts``: hashes of the parts that stand by themselves and were looked at,
    ``named``: those of them that have a name.
    """

    verdict: Verdict
    reason: str
    detail: str = ""
    where: str | None = None
    observations: tuple[Observation, ...] = ()
    warnings: tuple[Trouble, ...] = ()
    degraded: str | None = None
    origins: tuple[Mapping[str, ValueOrigin], ...] = ()
    patients: tuple[PatientRow, ...] = ()
    trouble: Trouble | None = None
    parts: tuple[str, ...] = ()
    named: Mapping[str, Named] = field(default_factory=dict)


def accepted(
    observations: Sequence[Observation],
    warnings: Sequence[Trouble] = (),
    degraded: str | None = None,
    origins: Sequence[Mapping[str, ValueOrigin]] = (),
) -> InputOutcome:
    """Understood, wholly or but for the warnings (then the first one's code is the reason)."""
    reason = warnings[0].reason if warnings else ACCEPTED_WHOLE
    return InputOutcome(
        Verdict.ACCEPTED,
        reason,
        observations=tuple(observations),
        warnings=tuple(warnings),
        degraded=degraded,
        origins=tuple(origins),
    )


def to_review(trouble: Trouble) -> InputOutcome:
    """Not understood: nothing of it is used until a person has looked."""
    return InputOutcome(
        Verdict.REVIEW, trouble.reason, trouble.detail, trouble.where, trouble=trouble
    )


def ignored(reason: str, detail: str) -> InputOutcome:
    """Understood, and of no concern to bed coordination: counted, not kept beyond ``raw``."""
    return InputOutcome(Verdict.IGNORED, reason, detail)
