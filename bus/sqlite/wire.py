"""The messages between the writing process and the attached processes.

Each message is one object on a ``multiprocessing.connection.Connection``, which pickles: both ends
are one installation's own processes, and the socket is a pair that only they inherit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bus.port import LogError
from bus.sqlite.writer import WriteEntry


class Put(NamedTuple):
    """Write this in one transaction; ``number`` comes back in :class:`Done`."""

    number: int
    entry: WriteEntry


class Done(NamedTuple):
    """It is durable, or the error says why nothing of it is there."""

    number: int
    error: LogError | None


class Await(NamedTuple):
    """Say :class:`RecordsAvailable` once a slot has a record at or after ``seen``.

    One of each ``waiter`` is kept: a newer ``turn`` takes the place of the one before.
    """

    waiter: int
    turn: int
    seen: Mapping[int, int]


class RecordsAvailable(NamedTuple):
    """What was waited for is there."""

    waiter: int
    turn: int
