"""Answers to a sender as FHIR resources. Pure.

Sources: http://hl7.org/fhir/R4/operationoutcome.html, http.html#transaction-response, and
capabilitystatement.html. Texts name elements and rules, never values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from adapters.common.outcome import InputOutcome, Trouble, Verdict
from adapters.fhir.names import EditionName
from adapters.fhir.refusal import answer_to

REASONS: Final = "urn:x-wardbridge:reason"
VERSIONS: Final[dict[EditionName, str]] = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}
_PASSED_OVER: Final = Trouble(
    "no-encounter", "of use for what refers to it only: nothing but Encounters is taken in"
)
_UNSAYABLE: Final = frozenset({"", "resourceType"})  # no FHIRPath expression leads there

Json = dict[str, Any]


def issue(severity: str, code: str, trouble: Trouble) -> Json:
    """One issue of an OperationOutcome."""
    found: Json = {
        "severity": severity,
        "code": code,
        "details": {"coding": [{"system": REASONS, "code": trouble.reason}]},
    }
    if trouble.detail:
        found["diagnostics"] = trouble.detail
    if trouble.where is not None and trouble.where not in _UNSAYABLE:
        found["expression"] = [trouble.where]
    return found


def operation_outcome(issues: Sequence[Json]) -> Json:
    """The resource; it has at least one issue."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def refusal(trouble: Trouble) -> Json:
    """Not taken, or taken to review only: why."""
    return operation_outcome([issue("error", answer_to(trouble.reason).issue, trouble)])


def status_of(outcome: InputOutcome) -> int:
    """The HTTP status for what became of an input that is durable."""
    if outcome.verdict is Verdict.REVIEW:
        return answer_to(outcome.reason).status
    return HTTPStatus.OK


def told(outcome: InputOutcome) -> Json:
    """What became of an input, as an OperationOutcome."""
    if outcome.verdict is Verdict.REVIEW:
        first = Trouble(outcome.reason, outcome.detail, outcome.where)
        issues = [issue("error", answer_to(outcome.reason).issue, first)]
    elif outcome.verdict is Verdict.IGNORED:
        return operation_outcome(
            [issue("information", "informational", Trouble(outcome.reason, outcome.detail))]
        )
    else:
        issues = []
    issues += map(_beside, outcome.warnings)
    if outcome.degraded is not None:
        detail = "the edition's model refuses it, for no reason that matters here"
        issues.append(_beside(Trouble("degraded", detail, outcome.degraded)))
    return operation_outcome(issues or [_all_well(outcome)])


def _beside(trouble: Trouble) -> Json:
    """What is wrong beside a rest that is used."""
    severity = "error" if trouble.withholds else "warning"
    return issue(severity, answer_to(trouble.reason).issue, trouble)


def _all_well(outcome: InputOutcome) -> Json:
    detail = f"{len(outcome.observations)} Encounters taken in"
    return issue("information", "informational", Trouble(outcome.reason, detail))


def is_of_entries(bundle: Json, outcome: InputOutcome) -> bool:
    """Whether what refuses a batch are its entries, each for itself."""
    return bundle.get("type") == "batch" and _entry_of(_first(outcome)) is not None


def _first(outcome: InputOutcome) -> Trouble:
    return Trouble(outcome.reason, outcome.detail, outcome.where, withholds=True)


def troubles_of_entries(outcome: InputOutcome) -> dict[int, Trouble]:
    """By the entry's position, what is wrong with it; what withholds it goes before what does not."""
    troubles = [*outcome.warnings]
    if outcome.verdict is Verdict.REVIEW:
        troubles.insert(0, _first(outcome))
    by_weight = sorted(troubles, key=lambda each: each.withholds)
    return {at: each for each in by_weight if (at := _entry_of(each)) is not None}


def entries_of(bundle: Json) -> list[Json]:
    """Its entries; an empty one where something else stands."""
    entries = bundle.get("entry")
    found = entries if isinstance(entries, list) else []
    return [each if isinstance(each, dict) else {} for each in found]


def object_in(entry: Json, name: str) -> Json:
    """An object child; an empty one where there is none."""
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def is_encounter(entry: Json) -> bool:
    """Whether an entry brings an Encounter."""
    return object_in(entry, "resource").get("resourceType") == "Encounter"


def entry_response(entry: Json, trouble: Trouble | None) -> Json:
    """What became of one entry of a batch or transaction that was read."""
    if trouble is not None:
        status = HTTPStatus(answer_to(trouble.reason).status) if trouble.withholds else _done(entry)
        return _response(status, _beside(trouble))
    if not is_encounter(entry):
        return _response(HTTPStatus.OK, issue("information", "informational", _PASSED_OVER))
    return _response(_done(entry))


def _done(entry: Json) -> HTTPStatus:
    is_new = object_in(entry, "request").get("method") == "POST"
    return HTTPStatus.CREATED if is_new else HTTPStatus.OK


def _response(status: HTTPStatus, told_of: Json | None = None) -> Json:
    response: Json = {"status": f"{status.value} {status.phrase}"}
    return response | ({"outcome": operation_outcome([told_of])} if told_of else {})


def _entry_of(trouble: Trouble) -> int | None:
    """Which entry of the Bundle a trouble is about."""
    head, _, rest = (trouble.where or "").partition("[")
    number = rest.partition("]")[0]
    return int(number) if head == "Bundle.entry" and number.isdecimal() else None


def capability_statement(edition: EditionName, date: datetime, version: str) -> Json:
    """What the endpoint takes: Encounters are stated, never given back."""
    documentation = (
        "An update states the Encounter as it is now, by the sender's id, and is answered 200 whether or "
        "not the id was heard of before: nothing is kept here by which that could be told. Nothing is "
        "given back; versions are put in order by meta, whenever they arrive."
    )
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date.date().isoformat(),
        "kind": "instance",
        "software": {"name": "wardbridge", "version": version},
        "implementation": {"description": "Takes Encounters in, for bed coordination"},
        "fhirVersion": VERSIONS[edition],
        "format": ["json", "xml"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": "Encounter",
                        "documentation": documentation,
                        "interaction": [{"code": "create"}, {"code": "update"}],
                        "versioning": "no-version",
                        "readHistory": False,
                        "updateCreate": False,
                        "conditionalCreate": False,
                        "conditionalUpdate": True,
                    }
                ],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
                "operation": [
                    {
                        "name": "process-message",
                        "definition": "http://hl7.org/fhir/OperationDefinition/"
                        "MessageHeader-process-message",
                    }
                ],
            }
        ],
    }


def openapi_body(description: str, resource: str) -> Json:
    """The request body of a route, for the OpenAPI document."""
    schema = {
        "type": "object",
        "properties": {"resourceType": {"const": resource}},
        "required": ["resourceType"],
    }
    kinds: Iterable[str] = ("application/fhir+json", "application/json")
    return {
        "requestBody": {
            "description": description,
            "required": True,
            "content": {kind: {"schema": schema} for kind in kinds},
        }
    }
