"""Readings of one statement by several feeds of its source. Pure.

Revisions count how one feed reads: of its readings the one with the highest counts. Two feeds may read one statement
by different profiles, and neither is newer. What either can read counts then: a value goes before a claim that is
cleared, because it could not be read or is in another field, and that before one that is absent. Of two values the
one of the feed whose name sorts first counts, and of protection marks the strictest.

Invariant: a function of the set of readings, whatever the order in which they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.observation import Claims, Protection, strictest


class Reading(NamedTuple):
    """What one feed reads in a statement. ``revision``: how often it has been read in another way before."""

    feed: str
    revision: int
    claims: Claims


def newest(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """Of each feed the newest reading, in the order of the feeds' names."""
    found: dict[str, Reading] = {}
    for each in readings:
        held = found.get(each.feed)
        if held is None or each.revision > held.revision:
            found[each.feed] = each
    return tuple(found[feed] for feed in sorted(found))


def claims_of(readings: Iterable[Reading]) -> Claims:
    """What the readings of several feeds claim together. They are given in the order of the feeds' names."""
    said: dict[str, object] = {}
    all_claims = [each.claims for each in readings]
    for claims in all_claims:
        for name in claims.model_fields_set:
            if said.get(name) is None:
                said[name] = getattr(claims, name)
    if said.get("protection") is not None:
        said["protection"] = strictest(_levels(all_claims))
    return Claims().model_copy(update=said)


def _levels(all_claims: Iterable[Claims]) -> Iterator[Protection]:
    return (each.protection for each in all_claims if each.protection is not None)
