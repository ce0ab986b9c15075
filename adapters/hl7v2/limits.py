"""Limits of one message, with the reason for each.

Work for a message begins after these were looked at, and is linear in its bytes. A message over one of
them is in review with the place; nothing of it is used.
"""

from __future__ import annotations

from typing import Final

from adapters.common.outcome import MAX_TEXT_CHARS
from schemas.topics import MAX_RECORD_BYTES

ROOM_FOR_RECORD_BYTES: Final = 4_096
"""What the log adds to a message: key and headers of its raw record."""

MAX_MESSAGE_BYTES: Final = MAX_RECORD_BYTES - ROOM_FOR_RECORD_BYTES
"""A longer message would not fit into one record of the log: refused at the door with AR."""

HEAD_BYTES: Final = 2_048
"""Kept of a message that is too large: enough for the MSH that the answer must echo."""

MAX_SEGMENTS: Final = 5_000
"""Of a message: the longest ADT that we know has some hundred, nearly all of them OBX and NTE."""

MAX_FIELDS: Final = 1_000
"""Of a segment: the number of a field that a profile can name has three digits."""

MAX_REPETITIONS: Final = 500
"""Of a field that is read repetition by repetition (PID-3, MRG-1, PID-5), empty ones among them; real
messages have a handful. No more than ``adapters.common.identity`` takes are read as numbers."""

MAX_COMPONENTS: Final = 50
"""Of a repetition: the longest data type of the standard has 23 (XTN and XCN); the rest stays one text."""

MAX_SUBCOMPONENTS: Final = 20
"""Of a component: the longest data type within another has ten."""

MAX_ESCAPED_CHARS: Final = 12 * MAX_TEXT_CHARS
r"""Of a text whose escapes are resolved: a character takes at most twelve (``\XF09F9280\``), so that a
longer one is longer than any code however it is read, and stays as sent."""

MAX_MERGES: Final = 100
"""In one message: their envelope must fit into a record."""

MAX_MERGED_NUMBERS: Final = 500
"""Of all patients of such a message together: five for each of the most merges."""

MAX_ALTERNATIVES: Final = 50
"""Segments of one name among which a condition of the profile chooses; a message tells of a few wards."""

MAX_CHARSETS: Final = 10
"""Repetitions of MSH-18 that are looked at; the table has 24 codes, and nobody uses five together."""

MAX_CACHED_CHARS: Final = 200
"""Of a text that is remembered with what was read of it (locations, times): what is longer is read each
time, so that what is remembered is bounded in bytes too."""

MAX_CHECKED_SEGMENTS: Final = 300
"""Of a message whose structure somebody asks about: hl7apy takes some milliseconds for each."""

MAX_ECHO_CHARS: Final = 250
"""Of a field that the answer repeats. MSH-10 has at most 199 characters (since v2.7), names fewer."""

REMEMBERED_CONTROL_IDS: Final = 10_000
"""Enough for a sender that begins anew each day. Of each 16 bytes of its hash are kept, and eight of the
message's: about two megabytes, however long the ids are."""
