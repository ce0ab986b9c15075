"""Errors of a message: the cause, who is to blame, and the answer to the sender.

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
    """The sender's fault: the bytes are in no character set that they can be meant to be in."""

    code = "102^Data type error^HL70357"
    reason = "charset-unreadable"


class UnknownCharsetError(Hl7Error):
    """Nobody's fault: MSH-18 names a character set that the feed's configuration has to explain.

    The message waits in review, and its sender is told what it is told of every such message.
    """

    code = "102^Data type error^HL70357"
    reason = "charset-unknown"


class SeveralMessagesError(Hl7Error):
    """The sender's fault: there is a second MSH in what should be one message."""

    code = "100^Segment sequence error^HL70357"
    reason = "several-messages"


class TooManyPartsError(Hl7Error):
    """The sender's fault: more segments or fields than any message has."""

    reason = "too-many-parts"


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
