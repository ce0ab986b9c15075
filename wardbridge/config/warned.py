"""Warnings: settings that are valid and still not safe for patients."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from wardbridge.config.doors import doors
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigProblem, Place


def warnings_of(installation: Installation) -> Iterator[ConfigProblem]:
    """Each with its key; files and lines are found later."""
    settings = installation.settings
    if installation.register.is_open:
        text = (
            "the ward register is open, so any ward code is taken for a ward; use a register file where "
            "patients are concerned"
        )
        yield ConfigProblem(("wards", "open"), text)
    for doubt in installation.register.doubts():
        yield ConfigProblem(("wards", "register"), f"ward {doubt.ward!r}: {doubt.text}")
    yield from _claims_taken_back(installation)
    yield from _silent(installation)
    for door in doors(installation):
        for key, text in door.open_to:
            yield ConfigProblem((*door.place, key), text)
    if settings.registrations.allow_private and _somebody_subscribes(installation):
        text = (
            "whoever may subscribe can have requests sent to any address of this network: leave it out where "
            "no receiver is inside"
        )
        yield ConfigProblem(("registrations", "allow_private"), text)
    if settings.identities.keep and not settings.gives("identified"):
        text = 'names are kept and nobody may see them: give somebody `fields = "identified"` or keep none'
        yield ConfigProblem(("identities", "keep"), text)


def _somebody_subscribes(installation: Installation) -> bool:
    access = installation.settings.http.access
    return access is None or any("subscribe" in each.may for _, each in access.granted())


def _claims_taken_back(installation: Installation) -> Iterator[ConfigProblem]:
    """Of two feeds of one source, one may be silent about what the other says."""
    for feed, other in permutations(installation.feeds, 2):
        if "mark" in feed.clears and feed.identity.source == other.identity.source:
            place: Place = ("feeds", feed.identity.name, "profile", "claims")
            text = (
                f"what a resource leaves out takes back what feeds.{other.identity.name} said for the same "
                "source, a mark too: list what this feed is to say"
            )
            yield ConfigProblem(place, text)


def _silent(installation: Installation) -> Iterator[ConfigProblem]:
    """Who is believed and never speaks leaves wards without a word."""
    speaking = {(feed.identity.realm, feed.identity.source) for feed in installation.feeds}
    for realm, section in installation.settings.authority.items():
        for place, source in section.named_sources():
            if (realm, source) not in speaking:
                text = (
                    f"no feed of realm {realm!r} is of source {source!r}, so that these wards are told "
                    "nothing: give it a feed, or believe another"
                )
                yield ConfigProblem(("authority", realm, *place), text)
