"""The trigger table: what each ADT event means here, as data.

Reads like the table of events in HL7 v2.5.1 chapter 3. MSH-9.2 names the event; EVN-1 repeats it
and is not trusted. Fields that hold a ward, and which events designate, are the feed's profile.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from schemas.observation import Rank, What


class VisitEvent(NamedTuple):
    """Something that happens to one visit.

    ``place``: the fields that may say where the patient lies after it, in order; where one of
    ``temporary`` is filled that is where they are for a while, and nothing of their place. ``expected`` and
    ``planned_discharge``: fields with those times. ``describes``: class, doctor and responsible
    ward are told anew (a cancel repeats what was, so it does not).
    """

    what: What
    rank: Rank
    place: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    planned_discharge: tuple[str, ...] = ()
    describes: bool = True
    needs_ward: bool = False


class PersonEvent(NamedTuple):
    """Something about a person, whatever visits there are."""

    what: Literal[What.PERSON_UPDATED, What.PATIENTS_MERGED]


class Later(NamedTuple):
    """Of concern, and not read yet: every one goes to review with this reason."""

    reason: str
    detail: str


class Unconcerned(NamedTuple):
    """Of no concern to who comes to which ward: counted under this reason."""

    reason: str
    detail: str


Meaning = VisitEvent | PersonEvent | Later | Unconcerned

_LIES: Final = ("PV1-3",)
_PASSES: Final = ("PV1-11",)
_ASKED_FOR: Final = ("EVN-3", "PV2-8")  # PV2-8 is of an admission, never of a transfer
_LEAVES: Final = ("PV2-9",)

_ADMITTED: Final = VisitEvent(What.ADMITTED, Rank.MOVEMENT, _LIES, planned_discharge=_LEAVES)
_DEPARTED: Final = VisitEvent(What.DEPARTED, Rank.MOVEMENT, temporary=_PASSES, describes=False)
_TRACKED: Final = VisitEvent(What.TRACKED, Rank.MOVEMENT, _LIES, temporary=_PASSES, describes=False)
_UPDATED: Final = VisitEvent(What.UPDATED, Rank.UPDATE, planned_discharge=_LEAVES)
_UNPLANNED: Final = VisitEvent(What.PLAN_CANCELLED, Rank.CANCEL, describes=False)
_PERSON: Final = PersonEvent(What.PERSON_UPDATED)
_MERGE: Final = Later("merge-not-read", "merges other than A40 are not read yet: see by hand")
_LEAVE: Final = Later("leave-not-read", "leave and return are not read yet: see by hand")
_LINK: Final = Unconcerned("links", "patients are linked or unlinked, nobody moves")
_CLINICAL: Final = Unconcerned("clinical-data", "allergies and the like, nobody moves")
_QUERY: Final = Unconcerned("query", "a question, not an event")


def _cancelled(
    what: What, place: tuple[str, ...] = (), temporary: tuple[str, ...] = ()
) -> VisitEvent:
    return VisitEvent(what, Rank.CANCEL, place, temporary, describes=False)


TRIGGERS: Final[dict[str, Meaning]] = {
    # plans, and their cancels
    "A05": VisitEvent(What.ADMISSION_PLANNED, Rank.PLAN, expected=_ASKED_FOR),
    "A38": _UNPLANNED,
    "A14": VisitEvent(What.ADMISSION_PLANNED, Rank.PLAN, expected=_ASKED_FOR, needs_ward=True),
    "A27": _UNPLANNED,
    "A15": VisitEvent(What.TRANSFER_PLANNED, Rank.PLAN, expected=("EVN-3",), needs_ward=True),
    "A26": _UNPLANNED,
    "A16": VisitEvent(What.DISCHARGE_PLANNED, Rank.PLAN, planned_discharge=("PV2-9", "EVN-3")),
    "A25": _cancelled(What.DISCHARGE_PLAN_CANCELLED),
    # movements, and their cancels
    "A01": _ADMITTED,
    "A04": _ADMITTED,
    "A06": _ADMITTED,
    "A07": _ADMITTED,
    "A11": _cancelled(What.ADMISSION_CANCELLED),
    "A02": VisitEvent(What.TRANSFERRED, Rank.MOVEMENT, _LIES, planned_discharge=_LEAVES),
    "A12": _cancelled(What.TRANSFER_CANCELLED, _LIES),
    "A03": VisitEvent(What.DISCHARGED, Rank.DISCHARGE),
    "A13": _cancelled(What.DISCHARGE_CANCELLED, _LIES),
    # tracking (sections 3.3.9, 3.3.10, 3.3.32, 3.3.33), and the cancels
    "A09": _DEPARTED,
    "A33": _cancelled(What.DEPARTURE_CANCELLED, temporary=_PASSES),
    "A10": _TRACKED,
    "A32": _cancelled(What.TRACKING_CANCELLED, _LIES, _PASSES),
    # updates
    "A08": _UPDATED,
    "A54": _UPDATED,
    "A55": _UPDATED,
    "Z99": _UPDATED,
    # persons
    "A28": _PERSON,
    "A31": _PERSON,
    "A40": PersonEvent(What.PATIENTS_MERGED),
    # of concern, later
    "A17": Later("swap-not-read", "two patients change places: not read yet, see by hand"),
    "A29": Later("person-deletion-not-read", "a person is deleted: is anybody waiting for them?"),
    "A23": Later(
        "visit-deletion-not-read", "the record of a visit is deleted: is anybody waiting for it?"
    ),
    "A20": Later("bed-status-not-read", "the status of a place is not read yet"),
    **dict.fromkeys(("A21", "A22", "A52", "A53"), _LEAVE),
    **dict.fromkeys(("A18", "A30", "A34", "A35", "A36", "A39", "A41", "A42", "A43"), _MERGE),
    **dict.fromkeys(("A44", "A45", "A46", "A47", "A48", "A49", "A50", "A51"), _MERGE),
    # of no concern
    "A24": _LINK,
    "A37": _LINK,
    "A60": _CLINICAL,
    "A61": Unconcerned("consulting-doctor", "a consulting doctor changes, nobody moves"),
    "A62": Unconcerned("consulting-doctor", "a consulting doctor changes, nobody moves"),
    "A19": _QUERY,
}

CANCELS: Final = {
    "A01": "A11",
    "A02": "A12",
    "A03": "A13",
    "A04": "A11",
    "A05": "A38",
    "A09": "A33",
    "A10": "A32",
    "A14": "A27",
    "A15": "A26",
    "A16": "A25",
}
"""The cancel of an event: what the event with ZBE-4 CANCEL means, and a Z99 that has it in ZBE-6."""

UPDATES: Final = frozenset({"A08", "A54", "A55"})
"""Updates of what is so now; with ZBE-4 CANCEL they still are, and strike the movement by its id."""

STRUCK: Final = VisitEvent(What.UPDATED, Rank.CANCEL, describes=False)
"""The cancel of an event that has none of its own (A06, A07): what has the movement's id never was."""

CORRECTED: Final = VisitEvent(What.CORRECTED, Rank.UPDATE, _LIES)
"""A Z99 that does not say what it corrects: whatever has the movement's id."""

PLANS: Final = frozenset({What.ADMISSION_PLANNED, What.TRANSFER_PLANNED})
"""What designates by itself."""
