"""The state of reading one message: its values, and the warnings so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from adapters.common.origin import Origins
from adapters.common.outcome import MAX_TEXT_CHARS, Trouble
from adapters.common.stamp import Moment, Recorded
from adapters.common.text import cleaned, is_readable, unreadable, was_cleaned
from adapters.hl7v2.fields import FieldPath
from adapters.hl7v2.reader import NULL, Message, Segment
from adapters.hl7v2.times import Hl7TimeReader
from schemas.observation import Unread
from schemas.patient import Person

_TOO_LONG: Final = f"no code has more than {MAX_TEXT_CHARS} characters"


def too_long(where: str, reason: str = "text-too-long") -> Trouble:
    """What is said of a text longer than any code."""
    return Trouble(reason, _TOO_LONG, where)


def doubt_of(code: str, where: str, reason: str = "text-too-long") -> Trouble | None:
    """Why an identifier or a code must not leave this adapter, if so; ``reason`` if by its length."""
    if len(code) > MAX_TEXT_CHARS:
        return too_long(where, reason)
    if code.isalnum() or is_readable(code):  # letters and digits are: asked of many codes
        return None
    return unreadable(where)


class WithheldError(Exception):
    """The message cannot be used as a whole: raised and caught inside the mapping only."""

    def __init__(self, reason: str, detail: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.trouble = Trouble(reason, detail, where)

    @classmethod
    def of(cls, trouble: Trouble) -> Self:
        """The error that a trouble is."""
        return cls(trouble.reason, trouble.detail, trouble.where)


@dataclass(slots=True)
class Case:
    """A message, when it came, the event it tells of, and the troubles beside the rest.

    ``trigger`` is the event as sent, ``event`` the row of the trigger table that it means (empty:
    none, as of a movement of unknown kind).
    """

    message: Message
    received_at: datetime
    trigger: str
    event: str
    times: Hl7TimeReader
    origins: Origins
    warnings: list[Trouble] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    persons: dict[str, Person] = field(default_factory=dict)
    recorded: Recorded | None = None

    def warn(self, reason: str, detail: str, where: str) -> None:
        """Note something that could not be understood beside what could."""
        self.warnings.append(Trouble(reason, detail, where))

    def free(self, text: str, where: str) -> str:
        """Free text as it may leave this adapter; with a warning where that is not as sent."""
        clean = cleaned(text)
        if clean is not text and clean != text:
            self.note(was_cleaned(where))
        return clean

    def note(self, trouble: Trouble) -> None:
        """Note a trouble beside the rest, once."""
        if trouble not in self.warnings:
            self.warnings.append(trouble)

    def filled(self, paths: Sequence[FieldPath]) -> tuple[FieldPath, Segment] | None:
        """The first of the fields that says anything."""
        for path in paths:
            segment = self.message.first(path.segment)
            if path.field < len(segment.fields) and says(segment, path):
                return path, segment
        return None

    def text(self, path: FieldPath) -> str:
        """A field's text: "" says nothing, NULL says that there is none."""
        segment = self.message.first(path.segment)
        if path.field >= len(segment.fields):  # many segments end early: asked for often
            return ""
        return segment.first(path.field, path.component or 1)

    def moment(self, path: FieldPath) -> Moment | None:
        """A field's time; None (with a warning if it says anything) where it holds none."""
        return self.moment_of(self.text(path), path)

    def moment_of(self, text: str, path: FieldPath) -> Moment | None:
        """The time in a field's text."""
        if text in {"", NULL}:
            return None
        moment = self.times.read(text, path.text, self.received_at)
        if moment is None:
            self.warn("time-unreadable", "no HL7 time of day precision or better", path.text)
        return moment


def says(segment: Segment, path: FieldPath) -> bool:
    """Whether a field, or a component of it, says anything."""
    if path.component:
        return bool(segment.first(path.field, path.component))
    return not segment.is_empty(path.field)
