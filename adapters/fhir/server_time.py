"""The clock of a pulled server, as its responses tell it.

Sources: http://hl7.org/fhir/R4/search.html and bundle.html (``Bundle.meta.lastUpdated``: when the search was made,
which some servers answer from for a while), RFC 9110, section 6.6.1 (``Date``). ``meta.lastUpdated`` of what is
found is by the same clock, so a search asks again from there, whatever our own clock says meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.stamp import Moment
from adapters.fhir.element import Element
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.times import read_time

MAX_AGE: Final = timedelta(hours=1)
"""Of a search that is answered from again. A Bundle that says an older time does not say when it was made."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_UTC: Final = ZoneInfo("UTC")


def time_of_search(bundle: Element, headers: Mapping[str, str]) -> datetime | None:
    """When the server made the search; None where it does not say."""
    made_at, answered_at = _made_at(bundle), _answered_at(headers)
    if made_at is None or answered_at is None:
        return made_at or answered_at
    return made_at if answered_at - MAX_AGE <= made_at <= answered_at else answered_at


def _made_at(bundle: Element) -> datetime | None:
    try:
        meta = bundle.element("meta")
        text = meta.text("lastUpdated") if meta is not None else ""
    except ResourceRefusedError:
        return None
    found = read_time(text, "", _UTC) if "T" in text else None
    return found.at if isinstance(found, Moment) and found.at >= EARLIEST else None


def _answered_at(headers: Mapping[str, str]) -> datetime | None:
    try:
        found = parsedate_to_datetime(headers["Date"])
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return found if found >= EARLIEST else None
