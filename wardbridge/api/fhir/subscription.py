"""Converts a FHIR Subscription to and from a registration. Pure.

Format: profile ``backport-subscription`` of Subscriptions R5 Backport 1.1.0 on R4. ``criteria`` is the
topic; filters are extensions on it; how much is told is an extension on the payload. What cannot be
done as it is asked is refused with the element that asks it: nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote

from pydantic import TypeAdapter, ValidationError

from router.delivery.bundles import TOPIC, SubscriptionStatus
from router.delivery.channels.fhir import FhirAsked
from router.delivery.headers import HeaderError, headers_of
from router.delivery.resources import FHIR_JSON, KINDS, Json, instant
from schemas.base import Utc
from schemas.notification import Kind
from schemas.registration import Content, Registration
from wardbridge.api.fhir.answer import OperationRefusedError
from wardbridge.api.fhir.capability import FILTERS, IG
from wardbridge.subscriptions.registrar import WantedRegistration

PROFILE: Final = f"{IG}/StructureDefinition/backport-subscription"
FILTER: Final = f"{IG}/StructureDefinition/backport-filter-criteria"
CONTENT: Final = f"{IG}/StructureDefinition/backport-payload-content"
HEARTBEAT: Final = f"{IG}/StructureDefinition/backport-heartbeat-period"
TIMEOUT: Final = f"{IG}/StructureDefinition/backport-timeout"
MAX_COUNT: Final = f"{IG}/StructureDefinition/backport-max-count"
MAX_INT: Final = 2**31 - 1
"""Of an unsignedInt (http://hl7.org/fhir/R4/datatypes.html)."""
HIDDEN: Final = "(kept secret)"
"""Stands for the value of a header when it is read back; sent in again, it stays as it is."""

CHANNEL: Final = "fhir"
ELEMENTS: Final[Mapping[str | None, str]] = {
    "url": "Subscription.channel.endpoint",
    "headers": "Subscription.channel.header",
    "timeout_s": "Subscription.channel.extension",
    "heartbeat_s": "Subscription.channel.extension",
    "wards": "Subscription.criteria",
    "end": "Subscription.end",
}
"""The element that says it."""

_KNOWN: Final = frozenset({
    "resourceType", "id", "meta", "text", "language", "status", "contact", "end", "reason", "criteria",
    "_criteria", "error", "channel",
})  # fmt: skip
_CHANNEL: Final = frozenset({"extension", "type", "endpoint", "payload", "_payload", "header"})
_ON: Final = frozenset({"requested", "active", "error"})
_PAYLOADS: Final = frozenset({FHIR_JSON, "application/json"})
_UTC: Final = TypeAdapter[datetime](Utc)


class Filters(NamedTuple):
    """What the criteria choose."""

    wards: tuple[str, ...] = ()
    hospitals: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()


def wanted_by(resource: Json, before: FhirAsked | None = None) -> WantedRegistration:
    """What a Subscription asks for; ``before``: what it is told with now. Raises RefusedError."""
    _refuse_unknown(resource, _KNOWN, "Subscription")
    status = _text(resource, "status", "Subscription")
    if status not in {*_ON, "off"}:
        raise OperationRefusedError(422, "requested, active or off", "Subscription.status")
    if _text(resource, "criteria", "Subscription") != TOPIC:
        raise OperationRefusedError(422, f"the only topic is {TOPIC}", "Subscription.criteria")
    filters = filters_in(resource.get("_criteria"))
    channel = _object(resource, "channel", "Subscription")
    _refuse_unknown(channel, _CHANNEL, "Subscription.channel")
    if _text(channel, "type", "Subscription.channel") != "rest-hook":
        raise OperationRefusedError(422, "only rest-hook is offered", "Subscription.channel.type")
    if _text(channel, "payload", "Subscription.channel") not in _PAYLOADS:
        raise OperationRefusedError(
            422, f"only {FHIR_JSON} is offered", "Subscription.channel.payload"
        )
    terms = _terms(channel.get("extension", []))
    endpoint = _text(channel, "endpoint", "Subscription.channel")
    # A secret that goes elsewhere by being left as it is could be had by whoever may change this.
    kept = before if before and before.url == endpoint else None
    return WantedRegistration(
        channel=CHANNEL,
        settings=_settings(
            url=endpoint,
            headers=_headers(channel.get("header", []), kept),
            content=_content(channel.get("_payload")),
            timeout_s=float(terms.get(TIMEOUT, 10)),
            heartbeat_s=float(terms[HEARTBEAT]) if terms.get(HEARTBEAT) else None,
        ),
        wards=filters.wards,
        hospitals=filters.hospitals,
        kinds=filters.kinds,
        reason=_text(resource, "reason", "Subscription"),
        off=status == "off",
        end=_end(resource),
    )


def _settings(**said: object) -> FhirAsked:
    try:
        return FhirAsked.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ELEMENTS.get(str(first["loc"][0]) if first["loc"] else "url")
        raise OperationRefusedError(
            422, first["msg"].removeprefix("Value error, "), where
        ) from None


def filters_in(criteria: object) -> Filters:
    """What the extensions on ``criteria`` choose. Raises RefusedError."""
    found: dict[str, tuple[str, ...]] = {}
    for at, extension in _extensions(criteria, "Subscription.criteria"):
        text = extension.get("valueString")
        if extension.get("url") != FILTER or not isinstance(text, str):
            raise OperationRefusedError(422, f"a string of {FILTER}", at)
        kind, _, query = text.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        if kind != "Encounter" or not pairs:
            raise OperationRefusedError(422, "Encounter?parameter=value", at)
        for name, value in pairs:
            if name not in FILTERS or name in found or not value:
                known = ", ".join(FILTERS)
                raise OperationRefusedError(422, f"each of {known} once at most, and no other", at)
            found[name] = tuple(filter(None, value.split(",")))
    if found.keys() >= {"location", "service-provider"}:
        raise OperationRefusedError(
            422, "either location or service-provider", "Subscription.criteria"
        )
    wards = tuple(each.removeprefix("Location/") for each in found.get("location", ()))
    return Filters(wards, found.get("service-provider", ()), _kinds(found.get("_tag", ())))


def resource_of(
    registration: Registration, settings: FhirAsked | None, standing: SubscriptionStatus
) -> Json:
    """A Subscription as it is read back; of headers only the names. ``settings`` None: they cannot be opened."""
    content = settings.content if settings else Content.ID_ONLY
    channel: Json = {
        "type": "rest-hook",
        "endpoint": settings.url if settings else "",
        "payload": FHIR_JSON,
        "_payload": {"extension": [{"url": CONTENT, "valueCode": content.value}]},
    }
    if settings is not None:
        terms = [{"url": TIMEOUT, "valueUnsignedInt": int(settings.timeout_s)}]
        if settings.heartbeat_s is not None:
            terms.append({"url": HEARTBEAT, "valueUnsignedInt": int(settings.heartbeat_s)})
        channel["extension"] = terms
        if sent := settings.sent_along():
            channel["header"] = [f"{name}: {HIDDEN}" for name in sent]
    found: Json = {
        "resourceType": "Subscription",
        "id": registration.name,
        "meta": {
            "versionId": str(registration.revision),
            "lastUpdated": instant(registration.at),
            "profile": [PROFILE],
        },
        "status": standing.state,
        "reason": registration.reason or "configured",
        "criteria": TOPIC,
        "channel": channel,
    }
    if filters := list(_filters_of(registration)):
        extensions = [{"url": FILTER, "valueString": f"Encounter?{each}"} for each in filters]
        found["_criteria"] = {"extension": extensions}
    if registration.end is not None:
        found["end"] = instant(registration.end)
    if standing.error is not None:
        found["error"] = standing.error
    return found


def _filters_of(registration: Registration) -> Iterable[str]:
    for name, chosen in (
        ("location", registration.wards),
        ("service-provider", registration.hospitals),
        ("_tag", registration.kinds),
    ):
        if chosen:
            yield f"{name}={','.join(quote(str(each), safe='') for each in chosen)}"


def _kinds(chosen: Iterable[str]) -> tuple[Kind, ...]:
    try:
        return tuple(Kind(each.removeprefix(f"{KINDS}|")) for each in chosen)
    except ValueError:
        raise OperationRefusedError(
            422, f"_tag is of {', '.join(Kind)}", "Subscription.criteria"
        ) from None


def _content(payload: object) -> Content:
    at = "Subscription.channel.payload"
    codes = []
    for where, each in _extensions(payload, at):
        if each.get("url") != CONTENT or each.get("valueCode") not in list(Content):
            raise OperationRefusedError(422, f"a code of {CONTENT}", where)
        codes.append(Content(each["valueCode"]))
    if len(codes) != 1:
        raise OperationRefusedError(422, f"one extension {CONTENT} is required", at, "required")
    return codes[0]


def _terms(extensions: object) -> Mapping[str, int]:
    found = {}
    for at, each in _extensions({"extension": extensions}, "Subscription.channel"):
        url = each.get("url")
        value = each.get("valuePositiveInt" if url == MAX_COUNT else "valueUnsignedInt")
        # Compared, not looked up: what is sent may be a list, which no set takes.
        is_known = url in (HEARTBEAT, TIMEOUT, MAX_COUNT)
        if not is_known or type(value) is not int or not 0 <= value <= MAX_INT:
            raise OperationRefusedError(422, "a heartbeat period, a timeout or a maximal count", at)
        found[str(url)] = value
    return found


def _headers(lines: object, before: FhirAsked | None) -> tuple[str, ...]:
    at = "Subscription.channel.header"
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise OperationRefusedError(422, "a list of texts", at)
    try:
        known = before.sent_along() if before else {}
        given = headers_of(lines)
        said = {name: known[name] if value == HIDDEN else value for name, value in given.items()}
    except HeaderError as error:
        raise OperationRefusedError(422, str(error), at) from None
    except KeyError:
        raise OperationRefusedError(
            422, "the value of a header that is not kept for this endpoint", at
        ) from None
    return tuple(f"{name}: {value}" for name, value in said.items())


def _end(resource: Json) -> datetime | None:
    if "end" not in resource:
        return None
    try:
        return _UTC.validate_python(_text(resource, "end", "Subscription"))
    except ValidationError:
        raise OperationRefusedError(422, "an instant with its offset", "Subscription.end") from None


def _extensions(holder: object, at: str) -> list[tuple[str, Json]]:
    """Each extension of an element, with its place."""
    if holder is None:
        return []
    listed = holder.get("extension") if isinstance(holder, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise OperationRefusedError(422, "a list of extensions", f"{at}.extension")
    return [(f"{at}.extension[{number}]", each) for number, each in enumerate(listed)]


def _object(holder: Json, name: str, at: str) -> Json:
    found = holder.get(name)
    if not isinstance(found, dict):
        raise OperationRefusedError(422, "this element is required", f"{at}.{name}", "required")
    return found


def _text(holder: Json, name: str, at: str) -> str:
    found: Any = holder.get(name)
    if not isinstance(found, str) or not found.strip():
        raise OperationRefusedError(422, "this element is required", f"{at}.{name}", "required")
    return found


def _refuse_unknown(holder: Json, known: frozenset[str], at: str) -> None:
    for name in holder.keys() - known:
        where = f"{at}.{name}" if name.isidentifier() else at
        raise OperationRefusedError(422, "this element is not understood", where, "not-supported")
