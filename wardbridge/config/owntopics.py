"""The topics that subscribers have of their own, and where they cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from schemas.topics import Topic, own_topic
from wardbridge.config.models import Settings
from wardbridge.config.problems import Problem

_ALLOWED: Final = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST: Final = 249  # in a name of Kafka's


def own_topics(settings: Settings) -> dict[str, Topic]:
    """By subscriber."""
    return {
        name: own_topic(name, subscriber.kafka.keep_days)
        for name, subscriber in settings.subscribers.items()
        if subscriber.kafka is not None
    }


def odd_topics(settings: Settings) -> Iterator[Problem]:
    """Those that no broker would make, or that would be somebody else's."""
    cluster = settings.log.kafka
    taken: dict[str, str] = {}
    for name, topic in own_topics(settings).items():
        place = ("subscribers", name)
        if settings.log.engine != "kafka" or cluster is None:
            text = (
                'a topic of its own is on the cluster of the log: needs [log] engine = "kafka"; '
                "with the log in a file give webhook, mllp or fhir"
            )
            yield Problem((*place, "kafka"), text)
        elif not _ALLOWED.fullmatch(name) or len(cluster.prefix + topic.name) > _LONGEST:
            text = (
                "the name is part of a topic's: letters of a to z, digits, '-', '_' and '.', with "
                f"prefix and `told.` {_LONGEST} at most"
            )
            yield Problem(place, text)
        elif (other := taken.setdefault(name.replace(".", "_"), name)) != name:
            text = f"its topic and that of {other!r} cannot both be: to Kafka '.' is as '_'"
            yield Problem(place, text)
