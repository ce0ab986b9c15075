"""What each kind of observation does to a visit: DOMAIN section 3 as a table.

``first`` is the phase of a visit that begins with such a fact; ``then`` the phase of a visit
under way (None: as it was).

``ended`` says what it does to a visit that has ended: ``reopens`` begins it afresh, without the
old mark and place; ``resumes`` takes back a discharge; ``stays`` changes neither phase, place nor
mark.

``place``: ``moves`` says where the patient lies, and arriving there consumes the mark; ``leaves``:
the patient is gone. A temporary place is a claim of its own and consumes nothing.

``mark``: ``marks`` sets a claimed mark anew, even for the ward of a fulfilled one; with
``repeats`` a mark for the same ward adds nothing; ``unmarks`` clears the mark if it names none or
that ward; ``ends`` clears it in any case; ``keeps`` looks at no claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from schemas.encounter import Phase
from schemas.observation import What

ENDED: Final = frozenset({Phase.DISCHARGED, Phase.CANCELLED})


class Effect(NamedTuple):
    """One row of the table."""

    first: Phase | None
    then: Phase | None
    ended: Literal["reopens", "resumes", "stays"]
    place: Literal["moves", "leaves"]
    mark: Literal["marks", "repeats", "unmarks", "ends", "keeps"]


_P, _A, _D, _C = Phase.PLANNED, Phase.ACTIVE, Phase.DISCHARGED, Phase.CANCELLED

EFFECTS: Final[Mapping[What, Effect]] = {
    #                                     first then  ended      place     mark
    What.ADMISSION_PLANNED:        Effect(_P, None, "reopens", "moves",  "marks"),
    What.TRANSFER_PLANNED:         Effect(_A, None, "reopens", "moves",  "marks"),
    What.PLAN_CANCELLED:           Effect(_P, None, "stays",   "moves",  "unmarks"),
    What.DISCHARGE_PLANNED:        Effect(_A, None, "stays",   "moves",  "repeats"),
    What.DISCHARGE_PLAN_CANCELLED: Effect(_A, None, "stays",   "moves",  "repeats"),
    What.ADMITTED:                 Effect(_A, _A,   "reopens", "moves",  "repeats"),
    What.ADMISSION_CANCELLED:      Effect(_C, _C,   "stays",   "leaves", "ends"),
    What.TRANSFERRED:              Effect(_A, _A,   "stays",   "moves",  "repeats"),
    What.TRANSFER_CANCELLED:       Effect(_A, None, "stays",   "moves",  "repeats"),
    What.DISCHARGED:               Effect(_D, _D,   "stays",   "leaves", "keeps"),
    What.DISCHARGE_CANCELLED:      Effect(_A, _A,   "resumes", "moves",  "repeats"),
    What.DEPARTED:                 Effect(_A, None, "stays",   "moves",  "repeats"),
    What.DEPARTURE_CANCELLED:      Effect(_A, None, "stays",   "moves",  "repeats"),
    What.TRACKED:                  Effect(_A, None, "stays",   "moves",  "repeats"),
    What.TRACKING_CANCELLED:       Effect(_A, None, "stays",   "moves",  "repeats"),
    What.UPDATED:                  Effect(_A, None, "stays",   "moves",  "repeats"),
    What.CORRECTED:                Effect(None, None, "stays", "moves",  "repeats"),
    What.DESCRIBED:                Effect(_A, None, "reopens", "moves",  "marks"),
}  # fmt: skip
"""Every kind of observation that is about a visit; the others are about a patient."""
