"""Builds the HTTP response after the body is durable: status, headers, body.

Sources: http://hl7.org/fhir/R4/http.html#create, #update, #transaction-response, #return (``Prefer``,
RFC 7240), #versions; RFC 9110, section 10.2.2 (``Location``).

* Nothing is kept that could be read back, or by which an update could be told from a creation. So an
  update is answered 200 and leads nowhere; a creation (POST) is answered 201 with the id by which the
  Encounter is known from then on. There is no ETag and no version: ``versioning`` is ``no-version``.
* What the sender asks for by ``Prefer`` it gets: the resource as it was sent (also where nothing is
  asked for, as clients replace their own by what comes back), an OperationOutcome, or nothing.
* What is refused is an OperationOutcome, whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Final, Literal

from fastapi import Response
from fastapi.responses import JSONResponse

from adapters.common.outcome import InputOutcome, Verdict
from adapters.common.stamp import ID_BYTES
from adapters.fhir import answer
from adapters.fhir.answer import Json
from adapters.fhir.canonical import canonical
from adapters.fhir.document import BOM, is_xml, text_of
from adapters.fhir.intake import Taken
from adapters.fhir.names import ID
from adapters.fhir.references import logical_id

FHIR_JSON: Final = "application/fhir+json"
FHIR_XML: Final = "application/fhir+xml"
Wanted = Literal["representation", "minimal", "OperationOutcome"]
WANTED: Final[tuple[Wanted, ...]] = ("representation", "minimal", "OperationOutcome")
_UUID: Final = "urn:uuid:"
_WRITES: Final = frozenset({"POST", "PUT"})


class FhirResponse(JSONResponse):
    """A resource."""

    media_type = FHIR_JSON

    def render(self, content: object) -> bytes:
        """As JSON, also what was sent as no character or no number."""
        return text_of(content)


def wanted(headers: Iterable[str]) -> Wanted:
    """What the ``Prefer`` headers ask for; the first of several."""
    for each in ",".join(headers).split(","):
        name, _, value = each.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            asked = value.strip().strip('"').lower()
            return next((known for known in WANTED if known.lower() == asked), WANTED[0])
    return WANTED[0]


def told(taken: Taken) -> FhirResponse:
    """What became of an input, as an OperationOutcome."""
    return FhirResponse(answer.told(taken.outcome), answer.status_of(taken.outcome))


def of_encounter(
    taken: Taken, payload: bytes, headers: Mapping[str, str], want: Wanted, created_at: str | None
) -> Response:
    """After an Encounter. ``created_at``: the address of its type, where it is a creation."""
    outcome, document = taken
    if outcome.verdict is not Verdict.ACCEPTED or document is None:
        return told(taken)
    number = number_of(document, "")
    status = HTTPStatus.OK if created_at is None else HTTPStatus.CREATED
    more = {} if created_at is None else {"Location": f"{created_at}/{number}"}
    if want == "OperationOutcome":
        return FhirResponse(answer.told(outcome), status, more)
    if want == "minimal":
        return Response(None, status, more)
    if document.get("id") != number:
        return FhirResponse({**document, "id": number}, status, more)
    return _as_sent(payload, document, headers, status, more)


def _as_sent(
    payload: bytes, document: Json, headers: Mapping[str, str], status: int, more: dict[str, str]
) -> Response:
    """The very bytes, unless they are XML and the sender wants JSON."""
    if not is_xml(payload):
        return Response(payload.removeprefix(BOM), status, more, FHIR_JSON)
    accept = headers.get("accept", "")
    if accept and "xml" not in accept and "*/*" not in accept:
        return FhirResponse(document, status, more)
    return Response(payload, status, more, FHIR_XML)


def of_bundle(taken: Taken, want: Wanted) -> Response:
    """After a batch or transaction: a status for each entry, and where it is known by now."""
    outcome, document = taken
    is_used = outcome.verdict is not Verdict.REVIEW
    if document is None or not (is_used or answer.is_of_entries(document, outcome)):
        return told(taken)
    return FhirResponse(_bundle(document, outcome, want))


def _bundle(document: Json, outcome: InputOutcome, want: Wanted) -> Json:
    troubles = answer.troubles_of_entries(outcome)
    entries = [
        _entry(answer.entry_response(each, troubles.get(at)), each, want)
        for at, each in enumerate(answer.entries_of(document))
    ]
    body: Json = {"resourceType": "Bundle", "type": f"{document['type']}-response"}
    return body | ({"entry": entries} if entries else {})


def _entry(response: Json, entry: Json, want: Wanted) -> Json:
    """An entry's response with its address; with its resource or without its outcome, as wanted."""
    is_done = response["status"][:1] == "2"
    if is_done and (where := _location(entry)):
        response["location"] = where
    if is_done and want == "minimal":
        response.pop("outcome", None)
    found: Json = {"response": response}
    if is_done and want == "representation" and answer.is_encounter(entry):
        kept = entry["resource"]
        found["resource"] = {**kept, "id": number_of(kept, entry.get("fullUrl"))}
    return found


def _location(entry: Json) -> str:
    """``Type/id`` of what an entry states, relative to the base; "" where it states nothing."""
    request, kept = answer.object_in(entry, "request"), answer.object_in(entry, "resource")
    kind, url = kept.get("resourceType"), request.get("url")
    if request.get("method", "PUT") not in _WRITES or not isinstance(kind, str):
        return ""
    by_url = logical_id(url.partition("?")[0]) if isinstance(url, str) and "?" not in url else ""
    return f"{kind}/{by_url or number_of(kept, entry.get('fullUrl'))}"


def number_of(kept: Json, full_url: object) -> str:
    """The id by which a resource is known: its own, its entry's UUID, else one of its content."""
    own = kept.get("id")
    by_url = full_url.removeprefix(_UUID) if isinstance(full_url, str) else ""
    for each in (own, by_url):
        if isinstance(each, str) and ID.fullmatch(each):
            return each
    return blake2b(canonical(kept), digest_size=ID_BYTES).hexdigest()
