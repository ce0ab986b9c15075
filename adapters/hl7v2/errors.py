"""What can be wrong with a message, who is to blame, and what its sender is to be told.

``answer`` is the HL7 acknowledgement code (table 0008): AR for what can never be accepted however
often it is sent, AE for what may be accepted another time. ``code`` is the error condition of
table 0357. ``reason`` is this project's stable code. Texts name fields and rules, never values.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Answer = Literal["AA", "AE", "AR"]


class Hl7Error(Exception):
    """Base: a message that cannot be used. ``where`` is a field such as ``MSH-18``."""

    answer: ClassVar[Answer] = "AR"
    code: ClassVar[str] = "207^Application internal error^HL70357"
    reason: ClassVar[str] = "unreadable"

    def __init__(self, detail: str, where: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where


class NotHl7Error(Hl7Error):
    """The sender's fault: the bytes are no HL7 v2 message. Sending it again does not help."""

    code = "100^Segment sequence error^HL70357"
    reason = "not-hl7"


class DelimiterError(Hl7Error):
    """The sender's fault: MSH-1 and MSH-2 do not define distinct delimiters."""

    code = "102^Data type error^HL70357"
    reason = "delimiters-unreadable"


class CharsetError(Hl7Error):
    """The sender's fault: the bytes are not in the declared character set, or it is unknown."""

    code = "102^Data type error^HL70357"
    reason = "charset-unreadable"


class TooLargeError(Hl7Error):
    """The sender's fault: more than a record of the log can hold."""

    code = "207^Application internal error^HL70357"
    reason = "too-large"


class LogUnavailableError(Hl7Error):
    """Our fault: nothing was stored. Send it again."""

    answer = "AE"
    reason = "not-stored"


class InternalError(Hl7Error):
    """Our fault: the message is stored and in review, and this program has to be mended."""

    answer = "AE"
    reason = "internal-error"
