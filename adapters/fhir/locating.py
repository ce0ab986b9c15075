"""Finds the element of a FHIRPath expression in the bytes of a body.

Total: what is not JSON is not marked, XML neither.

The deepest element on the way is marked where the one that is named is not there: that is where it is
missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from adapters.common.locating import ByteSpan, Located, whole

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,]|[^\s\[\]{}:,"]++', re.DOTALL)
_STEP: Final = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")
_TAG: Final = re.compile(rb"</?[A-Za-z][\w:.-]*")
_MEMBER: Final = re.compile(rb'"_?[a-z][A-Za-z]*"')
_ATTRIBUTE: Final = re.compile(rb"\s[A-Za-z][\w:.-]*=")
_CHOICE: Final = "value"

Step = str | int


class _Value(NamedTuple):
    path: tuple[Step, ...]
    span: ByteSpan


def locate(payload: bytes, where: str) -> Located:
    """The entry's resource (or all), and the element that a trouble names.

    As ``Bundle.entry[1].resource.period``.
    """
    wanted = _steps(where)
    everything = part = whole(payload)
    failed, depth = everything, 0
    for path, span in _values(payload):
        if _leads_to(path, wanted):
            if part == everything and _is_alone(path):
                part = span
            if len(path) > depth:
                failed, depth = span, len(path)
    is_within = depth and part.start <= failed.start and failed.end <= part.end
    return Located(part, failed if is_within else None)


def _is_alone(path: Sequence[Step]) -> bool:
    """Whether it is an entry of a Bundle, or the resource in it, which comes first."""
    return path[:1] == ("entry",) and (len(path) == 2 or path[2:] == ("resource",))  # noqa: PLR2004


def kept(payload: bytes) -> Iterator[ByteSpan]:
    """What stays in a body's shape: the names of its members, or of its tags."""
    if payload.lstrip()[:1] == b"<":
        for names in (_TAG, _ATTRIBUTE):
            yield from (ByteSpan(*found.span()) for found in names.finditer(payload))
        return
    before: ByteSpan | None = None
    for found in _TOKEN.finditer(payload):
        if found[0] == b":" and before is not None:
            yield before
        before = ByteSpan(*found.span()) if _MEMBER.fullmatch(found[0]) else None


def _steps(where: str) -> tuple[Step, ...]:
    """``Bundle.entry[1].resource.location`` as entry, 1, resource, location."""
    found: list[Step] = []
    for part in where.split(".")[1:]:
        step = _STEP.fullmatch(part)
        if step is None:  # a function, as ofType(…), which chooses and does not lead on
            continue
        found.append(step[1])
        if step[2] is not None:
            found.append(int(step[2]))
    return tuple(found)


def _leads_to(path: Sequence[Step], wanted: Sequence[Step]) -> bool:
    return len(path) <= len(wanted) and all(
        step == asked or (asked == _CHOICE and isinstance(step, str) and step.startswith(_CHOICE))
        for step, asked in zip(path, wanted, strict=False)
    )


class _Container:
    """An object or a list that is open: where it began, and the name or number of what comes next."""

    __slots__ = ("at", "is_list", "start")

    def __init__(self, start: int, *, is_list: bool) -> None:
        self.start = start
        self.is_list = is_list
        self.at: Step = 0 if is_list else ""


def _values(payload: bytes) -> Iterator[_Value]:
    """Every value and where it stands, each after those within it; ends where nothing can be made of it."""
    open_: list[_Container] = []
    text = b""
    for found in _TOKEN.finditer(payload):
        sign = found[0]
        if sign in {b"{", b"["}:
            open_.append(_Container(found.start(), is_list=sign == b"["))
        elif sign in {b"}", b"]"}:
            if not open_:
                return
            yield _Value(_path(open_[:-1]), ByteSpan(open_.pop().start, found.end()))
        elif sign == b",":
            _next(open_)
        elif sign == b":":
            _name(open_, text)
        else:
            text = sign
            if not open_ or open_[-1].is_list or open_[-1].at:
                yield _Value(_path(open_), ByteSpan(*found.span()))


def _path(open_: Sequence[_Container]) -> tuple[Step, ...]:
    return tuple(each.at for each in open_)


def _next(open_: Sequence[_Container]) -> None:
    if open_:
        last = open_[-1]
        last.at = last.at + 1 if isinstance(last.at, int) else ""


def _name(open_: Sequence[_Container], text: bytes) -> None:
    if open_ and not open_[-1].is_list:
        open_[-1].at = text.strip(b'"').decode("utf-8", "replace")
