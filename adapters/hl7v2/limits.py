"""What a sender may ask of one message: every bound with its reason, in one table.

Work for a message begins after these were looked at, and is linear in its bytes.
"""

from __future__ import annotations

from typing import Final

from schemas.topics import MAX_RECORD_BYTES

ROOM_FOR_RECORD_BYTES: Final = 4_096
"""What the log adds to a message: key and headers of its raw record."""

MAX_MESSAGE_BYTES: Final = MAX_RECORD_BYTES - ROOM_FOR_RECORD_BYTES
"""A longer message would not fit into one record of the log: refused at the door with AR."""

HEAD_BYTES: Final = 2_048
"""Kept of a message that is too large: enough for the MSH that the answer must echo."""
