"""Findings about settings that contradict each other or have no effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Place = tuple[str, ...]


class Doubt(NamedTuple):
    """One finding: the setting below the feed, and what to do. An error can never be right; else it may be."""

    place: Place
    text: str
    is_error: bool = True


def never_reached(choices: Sequence[Mapping[str, Any]], place: Place) -> Iterator[Doubt]:
    """Of choices that are tried in order, those that an earlier one leaves nothing for.

    A choice takes what agrees with all that it says; one that says nothing takes everything.
    """
    for number, choice in enumerate(choices):
        said = {name: value for name, value in choice.items() if value is not None}
        for earlier in choices[:number]:
            takes = {name: value for name, value in earlier.items() if value is not None}
            if takes.items() <= said.items():
                yield Doubt(
                    (*place, str(number)),
                    f"entry {number + 1} is never reached: an earlier one takes all that it would take; "
                    "put the narrower one first, or take one away",
                )
                break


def same_but_for_case(codes: Mapping[str, object], place: Place) -> Iterator[Doubt]:
    """Codes that are compared as they are written, differ in case only and mean different things."""
    first: dict[str, str] = {}
    for code, meaning in codes.items():
        other = first.setdefault(code.casefold(), code)
        if codes[other] != meaning:
            text = (
                f"{code!r} and {other!r} differ in case only and mean different things: give the "
                "sender's codes as it writes them, and no others"
            )
            yield Doubt((*place, code), text, is_error=False)


def blank_ends(codes: Mapping[str, object], place: Place) -> Iterator[Doubt]:
    """Codes that no text can equal, for texts are compared without the blanks around them."""
    for code in codes:
        if code != code.strip() or any(not sign.isprintable() for sign in code):
            text = (
                f"{code!r} never matches: write it without blanks around it and control characters"
            )
            yield Doubt((*place, code), text)
