"""What a simulated receiver does with one notice after another, as it is written on a command line. Pure.

A script is steps with commas between: ``500*3, hang, 429:30, ok``. Each is for one notice; ``*3`` for three, ``*`` for
all that come. After the last step everything is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Final, NamedTuple

OK: Final = "ok"
HTTP_WORDS: Final = (OK, "hang", "drip", "close")
MLLP_WORDS: Final = (
    OK,
    "hang",
    "drip",
    "close",
    "other",
    "flood",
    "AA",
    "CA",
    "AE",
    "CE",
    "AR",
    "CR",
)
_STEP: Final = re.compile(
    r"(?P<what>[A-Za-z]+|[2-5]\d\d)(?::(?P<wait_s>\d{1,6}))?(?P<times>\*\d{0,6})?", re.ASCII
)


class ScriptStep(NamedTuple):
    """What is done with a notice: a word, or an HTTP status, with how long it asks to be left alone."""

    what: str
    wait_s: int | None = None

    @property
    def status(self) -> int | None:
        """Of HTTP; None for a word."""
        return int(self.what) if self.what.isdecimal() else None

    def __str__(self) -> str:
        return self.what if self.wait_s is None else f"{self.what}:{self.wait_s}"


def steps_of(script: str, words: Sequence[str], *, with_status: bool) -> Iterator[ScriptStep]:
    """The step for each notice, without end. Raises ValueError that says which step is none."""
    parts = [part.strip() for part in script.split(",") if part.strip()]
    return chain.from_iterable([
        *(_times(part, words, with_status=with_status) for part in parts), repeat(ScriptStep(OK))
    ])  # fmt: skip


def _times(part: str, words: Sequence[str], *, with_status: bool) -> Iterator[ScriptStep]:
    found = _STEP.fullmatch(part)
    if found is None or not _is_known(found.groupdict(), words, with_status=with_status):
        known = [*(["a status such as 500 or 429:30"] if with_status else []), *words]
        raise ValueError(
            f"{part!r} is no step: there is {', '.join(known)}, each with *N for N times"
        )
    wait_s, times = found["wait_s"], found["times"]
    step = ScriptStep(found["what"], None if wait_s is None else int(wait_s))
    if times == "*":
        return repeat(step)
    return repeat(step, 1 if times is None else int(times[1:]))


def _is_known(said: Mapping[str, str | None], words: Sequence[str], *, with_status: bool) -> bool:
    what = said["what"] or ""
    if what.isdecimal():
        return with_status
    return what in words and said["wait_s"] is None
