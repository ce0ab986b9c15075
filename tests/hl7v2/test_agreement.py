"""The lean reader agrees with hl7apy, field by field, over foreign ADT messages.

Both are asked for each field as text; trailing delimiters, which mean nothing, are left out. Where
they differ hl7apy is the one in error: each kind of difference stands in ``EXCEPTIONS`` with its
reason, and has to be needed still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7v2 import reader
from adapters.hl7v2.errors import Hl7Error
from adapters.hl7v2.reader import Message
from tests.hl7v2.corpora import Foreign, messages, present

VOLUME: Final = "messages.out"  # one kind of message many times: every twentieth is enough
EVERY: Final = 20

Fields = dict[tuple[int, str, int], str]


class Difference(NamedTuple):
    """A field in which the two disagree. ``unplaced``: hl7apy has our text, without a position."""

    segment: str
    field: int
    ours: str
    theirs: str
    unplaced: bool


EXCEPTIONS: Final[dict[str, Callable[[Difference], bool]]] = {
    "it rewrites numbers: 0001 becomes 1, .00 becomes 0.00": lambda found: (
        _number(found.ours) is not None and _number(found.ours) == _number(found.theirs)
    ),
    "it loses the position of fields that the message's version has not": lambda found: (
        not found.theirs and found.unplaced
    ),
    "it loses the position of components that the message's version has not": lambda found: (
        _components(found.ours) == _components(found.theirs)
    ),
    "it drops a blank at the end of a field": lambda found: found.ours == f"{found.theirs} ",
}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _components(text: str) -> list[str]:
    return sorted(filter(None, text.split("^")))


def ours(message: Message) -> Fields:
    found: Fields = {}
    for at, line in enumerate(message._lines):
        segment = message.header if at == 0 else message._split(line)
        for field in range(1, len(segment.fields)):
            repetitions = "~".join(_trimmed(rep) for rep in segment.repetitions(field))
            found[at, segment.fields[0], field] = repetitions.rstrip("~")
    return _filled(found)


def theirs(message: Message) -> tuple[Fields, set[tuple[int, str]]]:
    """The fields with a position, and the texts (by segment) that hl7apy gives none."""
    text = "\r".join(message._lines)  # hl7apy takes CR between segments only
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
    found: Fields = {}
    unplaced: set[tuple[int, str]] = set()
    for at, segment in enumerate(parsed.children):
        for field in segment.children:
            text = _trimmed(field.to_er7())
            if field.name is None:
                unplaced.add((at, text))
                continue
            key = (at, segment.name, int(field.name.rpartition("_")[2]))
            found[key] = f"{found[key]}~{text}" if key in found else text
    return _filled(found), unplaced


def _trimmed(repetition: str) -> str:
    return "^".join(part.rstrip("&") for part in repetition.split("^")).rstrip("^")


def _filled(fields: Fields) -> Fields:
    """Without empty fields, and without MSH-2, which each shows in its own way."""
    return {key: text for key, text in fields.items() if text and key[1:] != ("MSH", 2)}


def differences(message: Message) -> Iterator[Difference]:
    mine, (others, unplaced) = ours(message), theirs(message)
    for key in sorted(mine.keys() | others.keys()):
        one, other = mine.get(key, ""), others.get(key, "")
        if one != other:
            yield Difference(key[1], key[2], one, other, (key[0], one) in unplaced)


def _readable() -> Iterator[tuple[Foreign, Message]]:
    for foreign in messages():
        if not foreign.is_adt or (foreign.file == VOLUME and foreign.at % EVERY):
            continue
        try:
            yield foreign, reader.read(foreign.payload)
        except Hl7Error:
            continue  # refused for its delimiters: there is nothing to compare


@present
def test_agreement_with_hl7apy() -> None:
    used: Counter[str] = Counter()
    compared = 0
    for foreign, message in _readable():
        compared += 1
        for found in differences(message):
            reason = next((name for name, holds in EXCEPTIONS.items() if holds(found)), None)
            assert reason is not None, (foreign.file, foreign.at, found)
            used[reason] += 1
    assert compared >= 150, compared
    assert used.keys() == EXCEPTIONS.keys(), "an exception is needed no more"
    print(f"{compared} messages compared; where hl7apy errs: {dict(used)}")
