"""What a receiver reads in a notification of a FHIR subscription."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def told_of(bundle: Json) -> dict[str, str]:
    """Each plain parameter of the status, by name."""
    parameters = bundle["entry"][0]["resource"]["parameter"]
    return {
        each["name"]: value
        for each in parameters
        for name, value in each.items()
        if name.startswith("value") and isinstance(value, str)
    }


def number_of(bundle: Json) -> int:
    """The number of the one event in it."""
    parameters = bundle["entry"][0]["resource"]["parameter"]
    (event,) = (each for each in parameters if each["name"] == "notification-event")
    return int(event["part"][0]["valueString"])
