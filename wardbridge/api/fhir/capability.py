"""The CapabilityStatement and the SubscriptionTopic of the FHIR API. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from router.delivery.bundles import TOPIC
from router.delivery.resources import KINDS, Json
from schemas.notification import Kind

TOPIC_ID: Final = "patient-designated-to-ward"
IG: Final = "http://hl7.org/fhir/uv/subscriptions-backport"
_TOPIC_ELEMENT: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
TITLE: Final = "Patient designated to ward"
ABOUT: Final = (
    "A patient is to come to a ward, something about that has changed, it is withdrawn, or the patient "
    "has arrived. The focus is an Encounter: what this ward is told of this visit."
)
FILTERS: Final = {
    "location": "the ward, by its id; several with commas",
    "service-provider": "the hospital, by its name; several with commas; instead of location",
    "_tag": f"what happened, as in {KINDS}: {', '.join(Kind)}; several with commas",
}
"""What a subscription may filter by, all of them parameters of Encounter."""


def topic() -> Json:
    """The SubscriptionTopic; R4 has no such resource, so it is a Basic with its elements as extensions."""
    said: list[Json] = [
        _said("url", "valueUri", TOPIC),
        _said("title", "valueString", TITLE),
        _said("description", "valueMarkdown", ABOUT),
        _parts("resourceTrigger", ("description", "valueMarkdown", ABOUT), _ENCOUNTER, *_TRIGGERS),
        *(
            _parts(
                "canFilterBy",
                ("description", "valueMarkdown", text),
                ("resource", "valueUri", "Encounter"),
                ("filterParameter", "valueString", name),
            )
            for name, text in FILTERS.items()
        ),
        _parts("notificationShape", ("resource", "valueUri", "Encounter")),
    ]
    return {
        "resourceType": "Basic",
        "id": TOPIC_ID,
        "extension": said,
        "modifierExtension": [_said("status", "valueCode", "active")],
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]
        },
    }


_ENCOUNTER: Final = (
    "resource", "valueUri", "http://hl7.org/fhir/StructureDefinition/Encounter",
)  # fmt: skip
_TRIGGERS: Final = tuple(
    ("supportedInteraction", "valueCode", code) for code in ("create", "update")
)


def _said(name: str, kind: str, value: str) -> Json:
    return {"url": f"{_TOPIC_ELEMENT}.{name}", kind: value}


def _parts(name: str, *parts: tuple[str, str, str]) -> Json:
    inner = [{"url": url, kind: value} for url, kind, value in parts]
    return {"url": f"{_TOPIC_ELEMENT}.{name}", "extension": inner}


def capability_statement(base: str, date: datetime, version: str) -> Json:
    """What may be asked, and nothing that may not."""
    subscription: Json = {
        "extension": [
            {
                "url": f"{IG}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical",
                "valueCanonical": TOPIC,
            }
        ],
        "type": "Subscription",
        "supportedProfile": [f"{IG}/StructureDefinition/backport-subscription"],
        "interaction": [
            {"code": code} for code in ("read", "create", "update", "delete", "search-type")
        ],
        "versioning": "versioned",
        "updateCreate": False,
        "searchParam": [
            {"name": "_id", "type": "token"},
            _search("status", "token"),
            _search("url", "uri"),
        ],
        "operation": [_operation("status"), _operation("events")],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date.date().isoformat(),
        "kind": "instance",
        "software": {"name": "wardbridge", "version": version},
        "implementation": {"description": "Tells who is on the way to a ward", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "instantiates": [f"{IG}/CapabilityStatement/backport-subscription-server-r4"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    subscription,
                    {"type": "Encounter", "interaction": [{"code": "read"}]},
                    {"type": "Basic", "interaction": [{"code": "read"}]},
                ],
            }
        ],
    }


def _search(name: str, kind: str) -> Json:
    definition = f"http://hl7.org/fhir/SearchParameter/Subscription-{name}"
    return {"name": name, "definition": definition, "type": kind}


def _operation(name: str) -> Json:
    definition = f"{IG}/OperationDefinition/backport-subscription-{name}"
    return {"name": name, "definition": definition}
