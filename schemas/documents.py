"""The published documents: a JSON Schema for each model, and one AsyncAPI document.

Pure: everything is built from the models and the topics table. The committed copies lie in
``published/``; what the last release published lies in ``released/<version>/``.

Formats: JSON Schema 2020-12 as pydantic writes it, from the reader's side (a member with a
default may be left out; the constants that tell a value's type and version may not); AsyncAPI
3.0.0, whose schema objects are JSON Schema draft 07 (nothing newer is used by these models).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from schemas import topics
from schemas.acknowledgement import Acknowledgement
from schemas.alias import Alias
from schemas.audit import AuditEntry
from schemas.authority import Authority, Tick
from schemas.base import Frozen
from schemas.delivery import (
    NOTICE_SCHEMA_ID,
    TEST_SCHEMA_ID,
    Delivery,
    SubscriberNotice,
    SubscriberState,
    TestEvent,
    ToldData,
)
from schemas.encounter import EncounterView
from schemas.notification import DATA_SCHEMA_ID, SCHEMA_ID, DesignationData, Notification
from schemas.observation import Envelope
from schemas.patient import PatientRow
from schemas.registration import Registration
from schemas.review import ReviewItem, ReviewStep
from schemas.revision import FeedRevision
from schemas.ward import Ward

Document = dict[str, Any]

LANGUAGE_VERSION: Final = "0.1.0"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CLOUDEVENTS_JSON: Final = "application/cloudevents+json"

PUBLISHED: Final[Mapping[str, type[Frozen]]] = {
    "acknowledgement": Acknowledgement,
    "alias": Alias,
    "audit-entry": AuditEntry,
    "authority": Authority,
    "delivery": Delivery,
    "encounter-view": EncounterView,
    "envelope": Envelope,
    "feed-revision": FeedRevision,
    "inbound": DesignationData,
    "notification": Notification,
    "patient": PatientRow,
    "registration": Registration,
    "review-item": ReviewItem,
    "review-step": ReviewStep,
    "subscriber-notice": SubscriberNotice,
    "subscriber-state": SubscriberState,
    "test-event": TestEvent,
    "tick": Tick,
    "told": ToldData,
    "ward": Ward,
}
"""Name of the document -> the model it describes."""

CARRIED: Final[Mapping[str, str]] = {
    topics.OBSERVATIONS: "envelope",
    topics.ENCOUNTERS: "encounter-view",
    topics.DESIGNATIONS: "notification",
    topics.INBOUND: "inbound",
    topics.AUTHORITY: "authority",
    topics.TICKS: "tick",
    topics.REVIEW: "review-item",
    topics.REVIEWED: "review-step",
    topics.REVISIONS: "feed-revision",
    topics.OUTGOING: "notification",
    topics.SUBSCRIBERS: "subscriber-state",
    topics.REGISTRATIONS: "registration",
    topics.DELIVERIES: "delivery",
    topics.ACKNOWLEDGEMENTS: "acknowledgement",
    topics.AUDIT: "audit-entry",
    topics.PATIENTS: "patient",
    topics.ALIASES: "alias",
}
"""Topic -> the document that describes its values. The others carry bytes or private state."""

OF_ITS_OWN: Final = ("subscriber-notice", "test-event")
"""The documents that describe the values of a subscriber's own topic."""

_EVENTS: Final[Mapping[type[Frozen], str]] = {
    Notification: SCHEMA_ID,
    SubscriberNotice: NOTICE_SCHEMA_ID,
    TestEvent: TEST_SCHEMA_ID,
}
"""CloudEvents, and the ``$id`` that records of Kafka name as their schema."""

IN_BINARY_MODE: Final = "notification-in-binary-mode"
"""The message of a notice where the Kafka binding of CloudEvents puts attributes into headers."""


class _WithoutTitles(GenerateJsonSchema):
    """Member names say enough; titles made from them repeat them."""

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


def json_schemas() -> dict[str, Document]:
    """The JSON Schema of each published model, by document name."""
    return {name: json_schema(name) for name in PUBLISHED}


def json_schema(name: str) -> Document:
    """The JSON Schema of one published model, with ``$schema`` and ``$id``."""
    body = PUBLISHED[name].model_json_schema(schema_generator=_WithoutTitles)
    for part in (body, *body.get("$defs", {}).values()):
        _require_constants(part)
    return {"$schema": DIALECT, "$id": f"urn:wardbridge:{name}:{_model_version(name)}", **body}


def _require_constants(part: Document) -> None:
    constants = {member for member, rule in part.get("properties", {}).items() if "const" in rule}
    required = constants | set(part.get("required", ()))
    if required:
        part["required"] = [member for member in part["properties"] if member in required]


def _model_version(name: str) -> int:
    field = PUBLISHED[name].model_fields.get("version")
    return field.default if field and isinstance(field.default, int) else 1


def asyncapi() -> Document:
    """The AsyncAPI 3.0 document of every topic in the table, and of those that subscribers have."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "wardbridge",
            "version": LANGUAGE_VERSION,
            "description": "Tells wards at once that a patient is designated to them.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "channels": {
            **{topic.name: _channel(topic) for topic in topics.TOPICS},
            topics.TOLD: _own_channel(),
        },
        "operations": {
            **dict(map(_operation, topics.TOPICS)),
            f"write-{topics.TOLD}": _writing(topics.TOLD, topics.own_topic("").about),
        },
        "components": {
            "messages": {
                **{name: _message(name) for name in sorted({*CARRIED.values(), *OF_ITS_OWN})},
                IN_BINARY_MODE: _binary_message(),
            },
            "schemas": _component_schemas(),
        },
    }


def _channel(topic: topics.Topic) -> Document:
    return {
        "address": f"{{prefix}}{topic.name}",
        "title": topic.name,
        "description": (
            f"{topic.about}. Key: {topic.key}. Routed by {topic.route}. "
            f"Written by {topic.writer}, read by {topic.readers}."
        ),
        "parameters": {
            "prefix": {"description": "the configured prefix of every topic", "default": ""}
        },
        "messages": _messages_of(topic.name),
        "bindings": {"kafka": {"topicConfiguration": _kafka(topic), "bindingVersion": "0.5.0"}},
    }


def _own_channel() -> Document:
    """Of each subscriber that has a topic; how long it is kept is configured."""
    channel = _channel(topics.own_topic("{subscriber}"))
    channel["parameters"]["subscriber"] = {"description": "the subscriber's configured name"}
    channel["messages"] = _references(OF_ITS_OWN)
    channel["bindings"]["kafka"]["topicConfiguration"].pop("retention.ms")
    return channel


def _messages_of(topic: str) -> Document:
    if topic not in CARRIED:
        opaque = {"contentType": "application/octet-stream", "title": f"opaque {topic} value"}
        return {"opaque": opaque}
    names = [CARRIED[topic], *([IN_BINARY_MODE] if topic == topics.DESIGNATIONS else [])]
    return _references(names)


def _references(names: Sequence[str]) -> Document:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _kafka(topic: topics.Topic) -> Document:
    if topic.retention_s is None:
        return {"cleanup.policy": ["compact"]}
    return {"cleanup.policy": ["delete"], "retention.ms": topic.retention_s * 1000}


def _operation(topic: topics.Topic) -> tuple[str, Document]:
    """What whoever writes the topic does; who may read it stands in the channel."""
    return f"write-{topic.name}", _writing(topic.name, topic.about)


def _writing(channel: str, about: str) -> Document:
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "summary": about}


def _message(name: str) -> Document:
    model = PUBLISHED[name]
    message = {
        "name": name,
        "title": (model.__doc__ or name).strip().split("\n", maxsplit=1)[0],
        "contentType": CLOUDEVENTS_JSON if model in _EVENTS else "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }
    if model in _EVENTS:
        message["headers"] = _headers(f"{CLOUDEVENTS_JSON}; charset=UTF-8", _EVENTS[model])
    return message


def _binary_message() -> Document:
    """A notice whose attributes are headers: Kafka binding of CloudEvents, section 3.2."""
    attributes = set(Notification.model_fields) - {"data", "datacontenttype"}
    named = [f"ce_{name}" for name in Notification.model_fields if name in attributes]
    return {
        "name": IN_BINARY_MODE,
        "title": "The data of a CloudEvent, its attributes in the headers (where so configured).",
        "contentType": "application/json",
        "headers": _headers("application/json", DATA_SCHEMA_ID, named),
        "payload": {"$ref": f"#/components/schemas/{DesignationData.__name__}"},
    }


def _headers(content_type: str, schema_id: str, attributes: Sequence[str] = ()) -> Document:
    """What a record of Kafka has beside its value; on other engines there are none."""
    fixed = {"content-type": content_type, "schema-id": schema_id}
    return {
        "type": "object",
        "required": [*fixed, *attributes],
        "properties": {
            **{name: {"type": "string", "const": value} for name, value in fixed.items()},
            **{name: {"type": "string"} for name in attributes},
        },
    }


def _component_schemas() -> Document:
    """All models and what they refer to, under their class names, references rewritten."""
    components: Document = {}
    for name, model in PUBLISHED.items():
        body = json_schema(name)
        parts = {**body.pop("$defs", {}), model.__name__: body}
        for part_name, part in parts.items():
            own = {key: rule for key, rule in part.items() if key not in {"$schema", "$id"}}
            components[part_name] = _relocated(own)
    return dict(sorted(components.items()))


def _relocated(node: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same JSON with ``#/$defs/X`` turned into ``#/components/schemas/X``."""
    if isinstance(node, dict):
        return {key: _relocated(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_relocated(value) for value in node]
    if isinstance(node, str):
        return node.replace("#/$defs/", "#/components/schemas/")
    return node
