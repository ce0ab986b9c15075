"""What the profiles of Subscriptions R5 Backport 1.1.0 ask for on R4, beyond R4 itself.

Written from the guide's pages on ``backport-subscription-notification-r4``, ``backport-subscription-
status-r4`` and ``backport-subscription``: the package of the guide is in no registry that the tests have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = dict[str, Any]
Rule = tuple[int, int | None, str]

IG: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
STATUS: Final[Mapping[str, Rule]] = {
    "subscription": (1, 1, "valueReference"),
    "topic": (0, 1, "valueCanonical"),
    "status": (1, 1, "valueCode"),
    "type": (1, 1, "valueCode"),
    "events-since-subscription-start": (0, 1, "valueString"),
    "notification-event": (0, None, "part"),
    "error": (0, None, "valueCodeableConcept"),
}
EVENT: Final[Mapping[str, Rule]] = {
    "event-number": (1, 1, "valueString"),
    "timestamp": (0, 1, "valueInstant"),
    "focus": (0, 1, "valueReference"),
    "additional-context": (0, None, "valueReference"),
}
STATES: Final = frozenset({"requested", "active", "error", "off"})
SAID: Final = frozenset(
    {"handshake", "heartbeat", "event-notification", "query-status", "query-event"}
)


def faults_of_bundle(bundle: Json) -> list[str]:
    first = bundle["entry"][0]
    found = [] if bundle["type"] == "history" else ["not of type history"]
    if first["resource"]["resourceType"] != "Parameters":
        found.append("the first entry is no Parameters")
    if not first["request"]["url"].endswith("/$status"):
        found.append("the first entry does not ask for the status")
    found += [
        "an entry has no request" for e in bundle["entry"] if not {"request", "response"} <= set(e)
    ]
    return [*found, *faults_of_status(first["resource"])]


def faults_of_status(parameters: Json) -> list[str]:
    found = list(_faults(parameters["parameter"], STATUS))
    values = {each["name"]: each.get("valueCode") for each in parameters["parameter"]}
    if values["status"] not in STATES or values["type"] not in SAID:
        found.append("a code that does not exist")
    for each in parameters["parameter"]:
        if each["name"] == "notification-event":
            found += _faults(each["part"], EVENT)
    return found


def faults_of_subscription(resource: Json) -> list[str]:
    channel = resource["channel"]
    payload = [each["url"] for each in channel["_payload"]["extension"]]
    filters = [each["url"] for each in resource.get("_criteria", {}).get("extension", [])]
    on_channel = [each["url"] for each in channel.get("extension", [])]
    known = {f"{IG}/backport-{name}" for name in ("heartbeat-period", "timeout", "max-count")}
    found = [] if payload == [f"{IG}/backport-payload-content"] else ["payload content"]
    if set(filters) - {f"{IG}/backport-filter-criteria"}:
        found.append("filter criteria")
    if set(on_channel) - known or len(set(on_channel)) < len(on_channel):
        found.append("extensions of the channel")
    return found


def _faults(parameters: list[Json], rules: Mapping[str, Rule]) -> Iterator[str]:
    names = [each["name"] for each in parameters]
    for name, (least, most, _) in rules.items():
        count = names.count(name)
        if count < least or (most is not None and count > most):
            yield f"{name} stands there {count} times"
    for each in parameters:
        if each["name"] not in rules or set(each) != {"name", rules[each["name"]][2]}:
            yield f"{each['name']} is of another kind"
