"""Builds acknowledgements: MSH, MSA and, unless the answer is a yes, ERR.

Source: HL7 v2.5.1 chapter 2, sections 2.9 (processing rules), 2.15.5 (ERR), 2.15.8 (MSA).

* Original mode (MSH-15 and MSH-16 empty): AA, AE or AR.
* Enhanced mode: by the time of the answer the message is both stored and read, so there is one
  answer a message, never two that a sender could credit to different messages: the application
  acknowledgement (AA, AE, AR) where MSH-16 asks for it, else the accept acknowledgement (CA, CE,
  CR) where MSH-15 does, else none.
* An acknowledgement that comes as a message is never answered: two listeners would never end.

Invariant: MSA-2 repeats MSH-10 as sent, if it can be found in the bytes at all (``header_of``), and in the
bytes in which it came. The answer is in the character set in which the message was read, and names it as the
message did unless that was wrong. Texts name fields and reasons, never anything of a patient.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from adapters.common.outcome import InputOutcome
from adapters.hl7v2.errors import Answer, Hl7Error
from adapters.hl7v2.limits import MAX_ECHO_CHARS
from adapters.hl7v2.reader import DEFAULT, NULL, Delimiters, Message

ACK: Final = "ACK"
VERSION: Final = "2.5.1"
CHARSET: Final = "UNICODE UTF-8"
_ALWAYS, _ON_ERROR, _ON_SUCCESS, _NEVER = "AL", "ER", "SU", "NE"
_ACCEPT: Final[dict[Answer, str]] = {"AA": "CA", "AE": "CE", "AR": "CR"}
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_REVIEWED: Final = "207^Application internal error^HL70357"


class AckVerdict(NamedTuple):
    """What the sender is to be told: the code, and for a no the ERR segment's parts."""

    answer: Answer
    code: str = ""
    reason: str = ""
    detail: str = ""
    where: str | None = None


YES: Final = AckVerdict("AA")


def of_error(error: Hl7Error) -> AckVerdict:
    """The no that an error stands for."""
    return AckVerdict(error.answer, error.code, error.reason, error.detail, error.where)


def of_review(outcome: InputOutcome, answer: Answer) -> AckVerdict:
    """What is told of a message that waits in review: yes, or AE where the feed asks for it."""
    if answer == "AA":
        return YES
    return AckVerdict(answer, _REVIEWED, outcome.reason, outcome.detail, outcome.where)


def acknowledgement(
    message: Message | None,
    verdict: AckVerdict,
    now: datetime,
    number: str,
    *,
    always: bool = False,
) -> bytes | None:
    """The answer's bytes without framing, or None where the sender wants none.

    ``number`` is the answer's own control id. ``message`` is None where no MSH could be read.
    """
    if message is not None and message.header.first(9).upper() == ACK:
        return None
    code = verdict.answer if message is None or always else _asked_for(message, verdict.answer)
    if code is None:
        return None
    marks = DEFAULT if message is None else message.delimiters
    segments = [_header(message, marks, now, number), _msa(message, marks, code)]
    if verdict.answer != "AA":
        segments.append(_err(verdict, marks))
    codec = "utf-8" if message is None else message.codec
    return ("\r".join(segments) + "\r").encode(codec, "backslashreplace")


def _asked_for(message: Message, answer: Answer) -> str | None:
    accept, application = message.header.first(15), message.header.first(16)
    if accept in {"", NULL} and application in {"", NULL}:
        return answer
    if _wanted(application, answer):
        return answer
    return _ACCEPT[answer] if _wanted(accept, answer) else None


def _wanted(condition: str, answer: Answer) -> bool:
    if condition == _ON_ERROR:
        return answer != "AA"
    if condition == _ON_SUCCESS:
        return answer == "AA"
    return condition not in {_NEVER, "", NULL}  # a code that the table has not: better one too many


def _header(message: Message | None, marks: Delimiters, now: datetime, number: str) -> str:
    def raw(field: int) -> str:
        return _echoed(message, field)

    kind = ACK
    if message and (event := raw(9).partition(marks.component)[2].partition(marks.component)[0]):
        kind = marks.component.join((ACK, event, ACK))
    fields = [
        "MSH", raw(2) or "^~\\&", raw(5), raw(6), raw(3), raw(4),
        now.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000"), "", kind, number, raw(11) or "P",
        raw(12) or VERSION, "", "", "", "", "", _charset(message),
    ]  # fmt: skip
    return marks.field.join(fields)


def _charset(message: Message | None) -> str:
    """What the answer is in: as the message said, where its bytes agreed."""
    if message is None:
        return CHARSET
    return _echoed(message, 18) if message.doubt is None else ""


def _msa(message: Message | None, marks: Delimiters, code: str) -> str:
    return marks.field.join(("MSA", code, _echoed(message, 10)))


def _err(verdict: AckVerdict, marks: Delimiters) -> str:
    """ERR-2 location, ERR-3 HL7 code, ERR-4 severity, ERR-5 our reason, ERR-8 text for a person."""
    location = _location(verdict.where).replace("^", marks.component)
    code = verdict.code.replace("^", marks.component)
    text = _escaped(verdict.detail, marks)
    return marks.field.join(("ERR", "", location, code, "E", verdict.reason, "", "", text))


def _location(where: str | None) -> str:
    """``PV1-3`` as an ERL: segment, its occurrence, field; ``MSH[2]``: segment, its occurrence."""
    if where and where.endswith("]"):
        return "^".join(where[:-1].split("["))
    segment, _, field = (where or "").partition("-")
    field, _, component = field.partition(".")
    parts = [segment, "1", field, "1", component] if component else [segment, "1", field]
    return "^".join(parts if field else parts[:1])


def _escaped(text: str, marks: Delimiters) -> str:
    for mark in marks:
        text = text.replace(mark, " ")
    return text


def _echoed(message: Message | None, field: int) -> str:
    """A field of MSH as sent; control characters could end the answer's segment, or its frame."""
    text = message.header.raw(field) if message else ""
    if len(text) <= MAX_ECHO_CHARS and text.isprintable():  # nearly always
        return text
    return _CONTROL.sub("", text)[:MAX_ECHO_CHARS]
