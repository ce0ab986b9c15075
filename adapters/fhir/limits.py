"""Limits of what a sender or a pulled server can cause, with the reason for each.

Work begins after these were looked at, and is linear in an input's bytes. An input over one of them is
in review with the place (a body that is too large is refused at the door); nothing of it is used.
"""

from __future__ import annotations

from typing import Final

from schemas.topics import MAX_RECORD_BYTES

ROOM_FOR_RECORD_BYTES: Final = 1_000
"""What the log adds to a body: key and headers of its raw record."""

MAX_BODY_BYTES: Final = MAX_RECORD_BYTES - ROOM_FOR_RECORD_BYTES
"""A longer body would not fit into one record of the log: refused with 413."""

# what an input holds

MAX_DEPTH: Final = 100
"""Levels within a resource. Real ones have a dozen; the JSON parser gives up near a thousand."""

MAX_ELEMENTS: Final = 5_000
"""Of one array, a Bundle's entries among them: a body holds some 2,000 of the smallest Encounters."""

MAX_NODES: Final = 100_000
"""XML elements of a body: one of the largest size that says anything has some 20,000."""

MAX_URI_CHARS: Final = 2_048
"""Of an address or an identifier's system; other texts have those of ``adapters.common.outcome``."""

MAX_TYPE_CHARS: Final = 64
"""Of a resource's type where it begins a place: it is the sender's."""

MAX_DIGITS: Final = 1_000
"""Of an integer: Python refuses some thousands, since reading them grows with their square. A longer one
is neither number nor text for whoever asks for it."""

MAX_STEPS: Final = 8
"""From a bed by ``partOf``: room, ward, level, wing, building, site are seven at most."""

MAX_ABOVE: Final = 64
"""Resources above a place: each step may be managed by a department of a clinic of a hospital."""

# the second look, by the edition's whole model

MAX_CHECKED: Final = 5_000
"""Objects and arrays of an Encounter: the model takes some 20 µs for each, and a large one has hundreds."""

MAX_EXPRESSION_CHARS: Final = 200
"""Of the place of a fault: an unknown element's name is the sender's."""

MAX_MODELS: Final = 2_000
"""Names of types that are remembered, which a sender writes: an edition has some 700."""

# a server that is asked

MAX_PAGES: Final = 200_000
"""Of one search: a server that invents pages without end is left. With 50 to a page that is ten million
Encounters; an outage of a week leaves some thousands of pages."""

MAX_EMPTY_PAGES: Final = 100
"""One after the other: some servers name a next page for ever, others hide whole pages from us."""

MAX_LINK_CHARS: Final = 60_000
"""Of a link to the next page, which is the server's own to fill; the HTTP client takes no longer one."""

MAX_SKIPPED_BYTES: Final = 20_000_000
"""Of a page with a single resource that no record holds: read only to learn what comes after it."""

MAX_WAIT_S: Final = 120.0
"""Between two tries, whatever ``Retry-After`` says: a server must not silence a feed for a day."""

MAX_FETCHED: Final = 100
"""Encounters that one notification only names: each is asked for while its sender waits for the answer. The others
are in review."""

MAX_REMEMBERED: Final = 10_000
"""Locations and Organizations, and hashes of pages: a region has some thousand beds."""

MAX_REMEMBERED_BYTES: Final = 16_000
"""Of a resource that is remembered; a Location has some hundreds. A larger one is asked for each time."""
