"""Why a resource cannot be used, and what its sender is told: the reasons, in one table.

``reason`` is this project's stable code, ``where`` a FHIRPath expression; texts name elements and
rules, never values. The HTTP status and the issue type (FHIR value set ``issue-type``) that answer
a reason stand in :data:`ANSWERS`; a reason that is not in it is answered as :data:`BUSINESS_RULE`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.common.outcome import Trouble


class RefusedError(Exception):
    """The resource (or the Bundle) is not used: raised and caught inside the adapter only."""

    def __init__(self, reason: str, detail: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.trouble = Trouble(reason, detail, where)


class Answer(NamedTuple):
    """How a refusal is told over HTTP."""

    status: int
    issue: str


BUSINESS_RULE: Final = Answer(422, "business-rule")

ANSWERS: Final[dict[str, Answer]] = {
    # the bytes
    "charset-unreadable": Answer(400, "structure"),
    "not-json": Answer(400, "structure"),
    "duplicate-key": Answer(400, "structure"),
    "nested-too-deep": Answer(400, "structure"),
    "too-large": Answer(413, "too-long"),
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
    "reference-unresolved": Answer(422, "not-found"),
    "patient-missing": Answer(422, "required"),
    "visit-missing": Answer(422, "required"),
    "version-missing": Answer(422, "required"),
    "time-without-zone": Answer(422, "value"),
    "time-unreadable": Answer(422, "value"),
    "internal-error": Answer(500, "exception"),
}


def answer_to(reason: str) -> Answer:
    """The status and issue type for a reason."""
    return ANSWERS.get(reason, BUSINESS_RULE)
