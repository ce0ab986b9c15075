"""Route: the Encounter that a notification refers to, with the fields that the caller may see.

Those on the way are always there; of what has closed, what is among the newest notices. What somebody may
not read is not there: the answer is the same.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from router.delivery.channel import MINIMAL
from router.delivery.resources import (
    Json,
    encounter_id,
    encounter_of,
    ward_part,
)
from schemas.fields import Identity
from schemas.notification import DesignationData, Notification
from wardbridge.api.view import View
from wardbridge.config.authorisation import Reader
from wardbridge.readmodels.board import Board

_ID: Final = re.compile(r"([0-9a-f]{16})-[0-9a-f]{32}")


class ShownEncounter(NamedTuple):
    """An Encounter, and of whom it tells: the ward's row, and who it is, if that is told."""

    resource: Json
    row: DesignationData
    identity: Identity | None = None


def encounter_for(asking: Reader, view: View, number: str) -> ShownEncounter | None:
    """None where there is none, or none for whoever asks."""
    board = view.hub.board
    ward = ward_of(board, number)
    if ward is None or not asking.may_at("read", ward, view.register.hospital_of(ward)):
        return None
    coming = next((row for row in board.inbound(ward) if _is_of(row, number)), None)
    notice = _newest(board, ward, number)
    row = coming or (notice.data if notice else None)
    if row is None:
        return None
    is_newest = notice is not None and (coming is None or notice.data.version == coming.version)
    known, level = view.hub.known, asking.level_at(ward, view.register.hospital_of(ward))
    beside = known.beside(row, level) if known else MINIMAL
    told_at = notice.time if notice and is_newest else None
    return ShownEncounter(encounter_of(row, told_at, beside), row, beside.patient)


def ward_of(board: Board, number: str) -> str | None:
    """The ward that a notification named it to."""
    found = _ID.fullmatch(number)
    if found is None:
        return None
    return next((ward for ward in board.wards() if ward_part(ward) == found[1]), None)


def _newest(board: Board, ward: str, number: str) -> Notification | None:
    of_ward = board.recent.of(ward)
    kept = next((each for each in of_ward if encounter_id(each.told.visit, ward) == number), None)
    return kept.notice() if kept else None


def _is_of(row: DesignationData, number: str) -> bool:
    return encounter_id(row.visit, row.ward) == number
