"""Reads ZBE: the movement that a message is about, and the event that it corrects.

Source: IHE ITI TF-2 section 3.31 (PAM, historic movement management): ZBE-1 movement ids, ZBE-4
action, ZBE-5 historic, ZBE-6 original event. What a message means follows from its event and from
what ZBE says of it:

=========  ==============  =======================================================================
ZBE-4      MSH-9.2         means
=========  ==============  =======================================================================
CANCEL     Z99, A08, …     the cancel of the event in ZBE-6; without ZBE-6 whatever has the id
CANCEL     any other       the cancel of that event; one that has none strikes what has the id
UPDATE     Z99, A08, …     the event in ZBE-6, told again; without ZBE-6 a Z99 corrects whatever has the id
UPDATE     any other       the event in ZBE-6, told again; without ZBE-6 itself, told again
INSERT     Z99             the event in ZBE-6; without ZBE-6 a movement of some kind
INSERT     any other       itself
=========  ==============  =======================================================================

A Z99 without ZBE-4 is an UPDATE. An event that is a cancel stays one, whatever ZBE says.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from adapters.common.outcome import Trouble
from adapters.hl7v2.case import Case, WithheldError, doubt_of
from adapters.hl7v2.reader import NULL, Segment
from adapters.hl7v2.triggers import (
    CANCELS,
    CORRECTED,
    STRUCK,
    TRIGGERS,
    UPDATES,
    Later,
    Meaning,
    Unconcerned,
    VisitEvent,
)
from schemas.observation import Movement, Rank

Action = Literal["insert", "update", "cancel"]

HISTORIC_UPDATE: Final = "Z99"
_ACTIONS: Final[dict[str, Action]] = {"INSERT": "insert", "UPDATE": "update", "CANCEL": "cancel"}
_ACTION_FIELD: Final = 4
_ACTION_MAY_STAND_IN: Final = (4, 5, 3)
_UPDATES: Final = UPDATES | {HISTORIC_UPDATE}


class Zbe(NamedTuple):
    """What ZBE says; ``id`` and ``original`` are empty where it does not."""

    id: str
    action: Action
    historic: bool
    original: str

    def movement(self) -> Movement | None:
        """As an observation has it; an insert of now that names no movement says nothing."""
        if not self.id and self.action == "insert" and not self.historic:
            return None
        original = {"original_event": self.original} if self.original else {}
        return Movement(id=self.id, action=self.action, historic=self.historic, **original)


def zbe_shift(zbe: Segment) -> int:
    """By how many fields a ZBE is shifted: some official examples are, by one."""
    if len(zbe.fields) <= min(_ACTION_MAY_STAND_IN):
        return 0
    for place in _ACTION_MAY_STAND_IN:
        if zbe.first(place).upper() in _ACTIONS:
            return place - _ACTION_FIELD
    return 0


def zbe_of(case: Case) -> Zbe | None:
    """IHE PAM's ZBE, leniently; None where there is none.

    An id that cannot be used is no movement's, with a warning; raises WithheldError where the message
    is about another event of it: a cancel would be read as the event itself.
    """
    segment = case.message.first("ZBE")
    if len(segment.fields) == 1:
        return None
    shift = zbe_shift(segment)
    number, original = _text(segment, 1), _original(segment, 6 + shift)
    stated = _ACTIONS.get(segment.first(_ACTION_FIELD + shift).upper())
    historic = segment.first(5 + shift).upper() == "Y"
    if doubt := doubt_of(number, "ZBE-1") or doubt_of(original, "ZBE-6"):
        if historic or stated not in {None, "insert"}:
            raise WithheldError.of(doubt)
        case.warnings.append(doubt)
        return None
    usual: Action = "update" if case.trigger == HISTORIC_UPDATE else "insert"
    case.origins.note("movement", "ZBE-1", "IHE PAM")
    return Zbe(number, stated or usual, historic, original)


def _text(segment: Segment, field: int) -> str:
    text = segment.first(field)
    return "" if text == NULL else text


def _original(segment: Segment, field: int) -> str:
    """The event's code; some write it as MSH-9 does."""
    code = _text(segment, field).upper()
    return segment.first(field, 2).upper() if code == "ADT" else code


def meant(case: Case, own: VisitEvent, zbe: Zbe | None) -> Meaning:
    """What the message means; notes the row of the trigger table in the case.

    Raises WithheldError where nothing tells what is cancelled or corrected.
    """
    if zbe is None or own.rank is Rank.CANCEL:
        return own
    if zbe.action == "cancel":
        return _cancelled(case, own, zbe)
    if zbe.action == "update" or case.trigger == HISTORIC_UPDATE:
        return _told_again(case, own, zbe)
    return own


def _cancelled(case: Case, own: VisitEvent, zbe: Zbe) -> Meaning:
    updates = case.trigger in _UPDATES
    event = (zbe.original or case.trigger) if updates else case.trigger
    meaning = TRIGGERS.get(event)
    if event in CANCELS:
        return _row(case, CANCELS[event])
    if isinstance(meaning, Later):
        return meaning
    if event in UPDATES:
        return own
    if zbe.id and isinstance(meaning, VisitEvent) and meaning.rank is not Rank.CANCEL:
        case.event = ""
        return STRUCK
    if case.trigger == HISTORIC_UPDATE:
        raise WithheldError("historic-cancel-unreadable", "of which event (ZBE-6)?", "ZBE-6")
    raise WithheldError("cancel-without-event", "this event has no cancel (ZBE-4)", "ZBE-4")


def _told_again(case: Case, own: VisitEvent, zbe: Zbe) -> Meaning:
    if zbe.original in {"", case.trigger}:
        return _of_unknown_kind(case, own, zbe)
    meaning = TRIGGERS.get(zbe.original)
    if zbe.original in UPDATES:
        return own
    if isinstance(meaning, VisitEvent):
        if case.trigger not in _UPDATES and meaning.what is not own.what:
            case.note(_ANOTHER_EVENT)
        return _row(case, zbe.original) if meaning.what is not own.what else own
    if case.trigger != HISTORIC_UPDATE:
        case.note(_UNREADABLE)
        return own
    if isinstance(meaning, Later | Unconcerned):
        return meaning
    raise WithheldError.of(_UNREADABLE)


_UNREADABLE: Final = Trouble(
    "historic-event-unreadable", "ZBE-6 names no event that could be corrected", "ZBE-6"
)
_ANOTHER_EVENT: Final = Trouble(
    "historic-event-differs", "ZBE-6 names another event than MSH-9: read as that one", "ZBE-6"
)


def _of_unknown_kind(case: Case, own: VisitEvent, zbe: Zbe) -> VisitEvent:
    """An update of now stays one; any other corrects whatever has the movement's id."""
    corrects = case.trigger == HISTORIC_UPDATE or zbe.historic
    if case.trigger in _UPDATES and zbe.action == "update" and zbe.id and corrects:
        case.event = ""
        return CORRECTED
    return own


def _row(case: Case, event: str) -> Meaning:
    case.event = event
    return TRIGGERS[event]
