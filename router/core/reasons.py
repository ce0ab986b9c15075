"""Why the router puts something to review: stable codes, and what is wrong and what to do.

No text holds patient data; docs/operating.md has a row for each code.
"""

from __future__ import annotations

from typing import Final

NO_VISIT: Final = "no-visit"
NO_SURVIVOR: Final = "merge-without-survivor"
TOO_LATE: Final = "too-late"
ALIAS_CYCLE: Final = "alias-cycle"
NUMBER_OF_ANOTHER: Final = "number-of-another-patient"
NUMBER_OF_MANY: Final = "number-of-many-patients"
TOO_MANY_NUMBERS: Final = "too-many-numbers"
VISIT_OF_ANOTHER: Final = "visit-of-another-patient"
VISIT_OF_MANY: Final = "visit-of-many-patients"
WITHOUT_ASSIGNER: Final = "visit-without-assigner"
TOO_MANY_VISITS: Final = "patient-of-many-visits"
TOO_MANY_EVENTS: Final = "visit-of-many-events"
TOO_MANY_CORRECTIONS: Final = "visit-of-many-corrections"
TOO_MANY_CANCELS: Final = "visit-of-many-cancels"
TOO_MANY_AHEAD: Final = "visit-of-many-events-ahead"
VERSIONS_CONTRADICT: Final = "versions-contradict"

OLDER_THAN_KEPT: Final = (
    "is older than what is kept of visits that ended, so it is not used: ask the source why it comes so late; if the "
    "patient is in hospital, have it send how the stay is now"
)
CIRCLE: Final = "closes a circle of merges: it is not followed; ask the source who remains"
DISPUTED: Final = (
    "a number that was one patient's is another's by this message, and no merge says so: the number is the other's "
    "from now on, and both patients stay who they are; ask the source, which may have to merge or to correct them"
)
NOBODYS: Final = (
    "a number stands beside so many patients that it is nobody's, and ties nobody to anybody: name it in "
    "`patient.placeholders` of the feed's profile if the sender writes it where it has no number"
)
MERGES_NOBODY: Final = (
    "merges by a number that is nobody's (`number-of-many-patients`): not followed"
)
TOO_MANY: Final = (
    "so many numbers or visits would be one patient's that this cannot be: those of this message are not tied to the others; "
    "look at what the source merges"
)
OF_ANOTHER: Final = (
    "is about another patient than the visit, by all numbers and merges: it changes nothing; ask the source whose "
    "visit it is; if its A08, or its versions, correct that, set `corrects_patient` in the feed's profile"
)
NOT_ANY_MORE: Final = (
    "an event that counted is about another patient than the visit, by what came later: it changes nothing any more; "
    "ask the source whose visit it is"
)
OF_MANY: Final = (
    "events of many patients name this visit, and no more of them are held for a merge: does the field that the "
    "profile's `visit` names hold a constant?"
)
NAMED_TWICE: Final = (
    "a patient's visit is named with its assigner and without, and is two visits here: say in `visit_assigner` (FHIR: "
    "`visit.assigner`) of the feed's profile whose the numbers without are, and have this read again"
)
CLOCKS_DIFFER: Final = (
    "a version's count and its time put it in different places: the count decides, where the times differ as clocks "
    "do; see to the clocks of the source's server"
)
OF_MANY_VISITS: Final = (
    "would begin one visit more of a patient who has as many as nobody has: it is not used; does the number that the "
    "profile's `patient` chooses stand for no patient, and belong into `patient.placeholders`?"
)
OF_MANY_EVENTS: Final = (
    "is about a visit with as many events as no stay has: it is not used; does the field that the profile's `visit` "
    "names hold a constant?"
)
OF_MANY_CORRECTIONS: Final = (
    "tells a movement again, or is told again, in a visit whose corrections tell as much again as no stay has: it is "
    "not used; does the sender's ZBE-1 give each movement an id of its own?"
)
OF_MANY_CANCELS: Final = (
    "takes an event back, in a visit of which as many were taken back as no stay has: it is not used; ask the source why, "
    "and have it send how the stay is now"
)
OF_MANY_AHEAD: Final = (
    "lies ahead, in a visit in which as much was said to lie ahead as nobody plans: it is not used; is the clock of "
    "this process behind, or does the field that the profile's `occurred` names hold a constant?"
)
