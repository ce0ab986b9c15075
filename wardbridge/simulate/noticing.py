"""What a receiver sees in what comes: the notice's number, whether it was there before, what is missing. Pure.

Nothing of a patient is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from wardbridge.simulate.messages import ReceivedMessage
from wardbridge.simulate.posts import Call

SHOWN: Final = 20
EVENT: Final = "event-notification"


class SeenNotice(NamedTuple):
    """One notice, or what is about nobody: that has no number."""

    number: int | None
    id: str
    what: str
    ward: str = ""


def of_post(call: Call) -> SeenNotice:
    """Of a webhook's event, or of a FHIR notification. Raises ValueError for anything else."""
    try:
        said = call.event
        return _of_bundle(said) if said.get("resourceType") == "Bundle" else _of_event(said)
    except (LookupError, TypeError, AttributeError, ValueError):
        raise ValueError("neither a CloudEvent of wardbridge nor a notification Bundle") from None


def _of_event(said: Mapping[str, Any]) -> SeenNotice:
    data = said.get("data")
    if data is None:
        return SeenNotice(None, str(said["id"]), str(said["type"]))
    return SeenNotice(
        int(said["subscriptionsequence"]), str(said["id"]), str(data["kind"]), str(data["ward"])
    )


def _of_bundle(said: Mapping[str, Any]) -> SeenNotice:
    status = said["entry"][0]["resource"]
    told = {each["name"]: each for each in status["parameter"]}
    kind = str(told["type"]["valueCode"])
    if kind != EVENT:
        return SeenNotice(None, str(status["id"]), kind)
    number = int(told["notification-event"]["part"][0]["valueString"])
    return SeenNotice(
        number, f"{told['subscription']['valueReference']['reference']}/{number}", kind
    )


def of_message(heard: ReceivedMessage) -> SeenNotice:
    """Of an ADT message."""
    return SeenNotice(heard.sequence, heard.control_id, heard.trigger, heard.ward)


class Noticed:
    """All that was taken, by number."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.repeated = 0

    def is_repeated(self, seen: SeenNotice) -> bool:
        """Whether it was taken before."""
        return seen.number in self.taken

    def take(self, seen: SeenNotice) -> None:
        """It is answered with a yes."""
        self.repeated += self.is_repeated(seen)
        if seen.number is not None:
            self.taken.add(seen.number)

    def missing(self) -> list[int]:
        """The first numbers below the highest that are not taken yet, counted from the first that came."""
        if not self.taken:
            return []
        wanted = range(min(self.taken), max(self.taken))
        found = (number for number in wanted if number not in self.taken)
        return [number for number, _ in zip(found, range(SHOWN), strict=False)]
