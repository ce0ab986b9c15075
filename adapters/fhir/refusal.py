"""Why a resource cannot be used, and what its sender is told: the reasons, in one table.

``reason`` is this project's stable code, ``where`` a FHIRPath expression; texts name elements and
rules, never values. The HTTP status and the issue type (FHIR value set ``issue-type``) that answer
a reason stand in :data:`ANSWERS`; a reason that is not in it is answered as :data:`BUSINESS_RULE`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.fhir.limits import MAX_DEPTH


class RefusedError(Exception):
    """The resource (or the Bundle) is not used: raised and caught inside the adapter only."""

    def __init__(self, reason: str, detail: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.trouble = Trouble(reason, detail, where, withholds=True)

    def beside(self) -> Trouble:
        """The same where only a value is left out, and the rest is used."""
        return replace(self.trouble, withholds=False)


def too_deep() -> RefusedError:
    """For more than :data:`MAX_DEPTH`."""
    detail = f"no resource has more than {MAX_DEPTH} levels"
    return RefusedError("nested-too-deep", detail, "%resource")


CONDITION: Final = (
    "condition-not-offered",
    "versions are put in order as they are read, whenever they arrive: send without a condition",
)
"""Reason and detail for an update that depends on what is there."""


class Answer(NamedTuple):
    """How a trouble is told over HTTP; the status counts only where all of an input is refused."""

    status: int
    issue: str


BUSINESS_RULE: Final = Answer(422, "business-rule")
_BESIDE: Final = Answer(422, "value")

ANSWERS: Final[dict[str, Answer]] = {
    # the bytes
    "charset-unreadable": Answer(400, "structure"),
    "not-json": Answer(400, "structure"),
    "duplicate-key": Answer(400, "structure"),
    "nested-too-deep": Answer(400, "structure"),
    "too-large": Answer(413, "too-long"),
    "too-many-elements": Answer(413, "too-costly"),
    # the form
    "not-a-resource": Answer(400, "structure"),
    "element-of-wrong-type": Answer(400, "structure"),
    "text-unreadable": Answer(400, "value"),
    "other-fhir-version": Answer(422, "not-supported"),
    "modifier-not-understood": Answer(422, "extension"),
    "status-missing": Answer(422, "required"),
    "status-unknown": Answer(422, "code-invalid"),
    # what it says
    "bundle-type-not-read": Answer(422, "not-supported"),
    "method-not-read": Answer(422, "not-supported"),
    "resource-incomplete": Answer(422, "incomplete"),
    "not-production": BUSINESS_RULE,
    "notification-without-content": Answer(422, "incomplete"),
    "subscription-failing": Answer(422, "exception"),
    "text-cleaned": _BESIDE,
    "reference-unresolved": Answer(422, "not-found"),
    "patient-missing": Answer(422, "required"),
    "visit-missing": Answer(422, "required"),
    "version-missing": Answer(422, "required"),
    "time-without-zone": Answer(422, "value"),
    "time-unreadable": Answer(422, "value"),
    "internal-error": Answer(500, "exception"),
    # what can be wrong beside what is used
    "location-status-unknown": Answer(422, "code-invalid"),
    "ward-unknown": Answer(422, "not-found"),
    "ward-ambiguous": Answer(422, "multiple-matches"),
    "ward-elsewhere": Answer(422, "not-found"),
    "place-ambiguous": Answer(422, "multiple-matches"),
    "location-without-ward": _BESIDE,
    "recorded-in-the-future": _BESIDE,
    "identifier-not-of-its-kind": _BESIDE,
    "identifier-of-another-kind": _BESIDE,
    "century-missing": _BESIDE,
    "check-digit-over-12-positions": _BESIDE,
    "server-outcome": Answer(422, "incomplete"),
    "degraded": Answer(422, "structure"),
    # the request
    "token-missing": Answer(401, "login"),
    "token-may-not": Answer(403, "forbidden"),
    "too-often": Answer(429, "throttled"),
    "too-many-waiting": Answer(503, "throttled"),
    "not-stored": Answer(503, "transient"),
    "not-fetched": Answer(503, "transient"),
    "content-type-not-read": Answer(415, "not-supported"),
    "condition-not-offered": Answer(412, "not-supported"),
    "resource-elsewhere": Answer(400, "invalid"),
    "id-differs": Answer(400, "invalid"),
    "id-unreadable": Answer(400, "invalid"),
    "body-cut-off": Answer(400, "incomplete"),
    "no-such-route": Answer(404, "not-supported"),
    "no-such-interaction": Answer(405, "not-supported"),
}


def answer_to(reason: str) -> Answer:
    """The status and issue type for a reason."""
    return ANSWERS.get(reason, BUSINESS_RULE)
