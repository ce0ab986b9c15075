"""The reasons to refuse a resource, and the answer to each, in one table.

``reason`` is this project's stable code, ``where`` a FHIRPath expression; texts name elements and
rules, never values. The HTTP status and the issue type (FHIR value set ``issue-type``) that answer
a reason stand in :data:`ANSWERS`; a reason that is not in it is answered as :data:`BUSINESS_RULE`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.fhir.limits import MAX_DEPTH


class ResourceRefusedError(Exception):
    """The resource (or the Bundle) is not used: raised and caught inside the adapter only."""

    def __init__(self, reason: str, detail: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.trouble = Trouble(reason, detail, where, withholds=True)

    def beside(self) -> Trouble:
        """The same where only a value is left out, and the rest is used."""
        return replace(self.trouble, withholds=False)


def too_deep() -> ResourceRefusedError:
    """For more than :data:`MAX_DEPTH`."""
    detail = f"no resource has more than {MAX_DEPTH} levels"
    return ResourceRefusedError("nested-too-deep", detail, "%resource")


CONDITION: Final = (
    "condition-not-offered",
    "versions are put in order as they are read, whenever they arrive: send without a condition",
)
"""Reason and detail for an update that depends on what is there."""


class RefusalResponse(NamedTuple):
    """How a trouble is told over HTTP; the status counts only where all of an input is refused."""

    status: int
    issue: str


BUSINESS_RULE: Final = RefusalResponse(422, "business-rule")
_BESIDE: Final = RefusalResponse(422, "value")

ANSWERS: Final[dict[str, RefusalResponse]] = {
    # the bytes
    "charset-unreadable": RefusalResponse(400, "structure"),
    "not-json": RefusalResponse(400, "structure"),
    "duplicate-key": RefusalResponse(400, "structure"),
    "nested-too-deep": RefusalResponse(400, "structure"),
    "too-large": RefusalResponse(413, "too-long"),
    "too-many-elements": RefusalResponse(413, "too-costly"),
    # the form
    "not-a-resource": RefusalResponse(400, "structure"),
    "element-of-wrong-type": RefusalResponse(400, "structure"),
    "text-unreadable": RefusalResponse(400, "value"),
    "other-fhir-version": RefusalResponse(422, "not-supported"),
    "modifier-not-understood": RefusalResponse(422, "extension"),
    "status-missing": RefusalResponse(422, "required"),
    "status-unknown": RefusalResponse(422, "code-invalid"),
    # what it says
    "bundle-type-not-read": RefusalResponse(422, "not-supported"),
    "method-not-read": RefusalResponse(422, "not-supported"),
    "resource-incomplete": RefusalResponse(422, "incomplete"),
    "not-production": BUSINESS_RULE,
    "notification-without-content": RefusalResponse(422, "incomplete"),
    "subscription-failing": RefusalResponse(422, "exception"),
    "text-cleaned": _BESIDE,
    "reference-unresolved": RefusalResponse(422, "not-found"),
    "patient-missing": RefusalResponse(422, "required"),
    "visit-missing": RefusalResponse(422, "required"),
    "version-missing": RefusalResponse(422, "required"),
    "time-without-zone": RefusalResponse(422, "value"),
    "time-unreadable": RefusalResponse(422, "value"),
    "internal-error": RefusalResponse(500, "exception"),
    # what can be wrong beside what is used
    "location-status-unknown": RefusalResponse(422, "code-invalid"),
    "ward-unknown": RefusalResponse(422, "not-found"),
    "ward-ambiguous": RefusalResponse(422, "multiple-matches"),
    "ward-elsewhere": RefusalResponse(422, "not-found"),
    "place-ambiguous": RefusalResponse(422, "multiple-matches"),
    "location-without-ward": _BESIDE,
    "recorded-in-the-future": _BESIDE,
    "identifier-not-of-its-kind": _BESIDE,
    "identifier-of-another-kind": _BESIDE,
    "century-missing": _BESIDE,
    "check-digit-over-12-positions": _BESIDE,
    "server-outcome": RefusalResponse(422, "incomplete"),
    "degraded": RefusalResponse(422, "structure"),
    # the request
    "token-missing": RefusalResponse(401, "login"),
    "token-may-not": RefusalResponse(403, "forbidden"),
    "too-often": RefusalResponse(429, "throttled"),
    "too-many-waiting": RefusalResponse(503, "throttled"),
    "not-stored": RefusalResponse(503, "transient"),
    "not-fetched": RefusalResponse(503, "transient"),
    "content-type-not-read": RefusalResponse(415, "not-supported"),
    "condition-not-offered": RefusalResponse(412, "not-supported"),
    "resource-elsewhere": RefusalResponse(400, "invalid"),
    "id-differs": RefusalResponse(400, "invalid"),
    "id-unreadable": RefusalResponse(400, "invalid"),
    "body-cut-off": RefusalResponse(400, "incomplete"),
    "no-such-route": RefusalResponse(404, "not-supported"),
    "no-such-interaction": RefusalResponse(405, "not-supported"),
}


def answer_to(reason: str) -> RefusalResponse:
    """The status and issue type for a reason."""
    return ANSWERS.get(reason, BUSINESS_RULE)
