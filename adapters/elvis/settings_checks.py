"""Checks an Elvis feed's settings against each other: time forms, codes, file names, wards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from adapters.common.doubt import Doubt
from adapters.common.patterns import common_name
from adapters.elvis.cells import MAX_CELL_CHARS
from adapters.elvis.settings import ElvisSettings
from schemas.ward import Unresolved, WardRegister

_SAMPLES: Final = tuple(
    datetime(2026, month, day, 13, 45, 30, tzinfo=UTC) for month, day in ((3, 4), (12, 11), (1, 31))
)


def doubts(settings: ElvisSettings, source: str, register: WardRegister) -> Iterator[Doubt]:
    """What cannot be right, or probably is not."""
    yield from _forms(settings.format.time_forms)
    yield from _codes(settings)
    yield from _files(settings)
    yield from _wards(settings, source, register)


def _forms(forms: tuple[str, ...]) -> Iterator[Doubt]:
    """A text that two forms read differently has the meaning of the first, whoever wrote it."""
    for earlier, later in combinations(forms, 2):
        for sample in _SAMPLES:
            text = sample.strftime(later)
            read, meant = _moment(text, earlier), _moment(text, later)
            if read is not None and read != meant:
                told = (
                    f"{text} is read by {earlier!r} before {later!r}, as {read:%Y-%m-%d %H:%M} instead of "
                    f"{meant:%Y-%m-%d %H:%M}: leave out the one that the export does not use"
                )
                yield Doubt(("format", "time_forms"), told)
                break


def _moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - only compared
    except (ValueError, OverflowError):
        return None


def _codes(settings: ElvisSettings) -> Iterator[Doubt]:
    form = settings.format
    tables: Mapping[str, Mapping[str, object]] = {
        "leave_codes": form.leave_codes,
        "overbedding_codes": form.overbedding_codes,
        "protection_codes": form.protection_codes,
    }
    for name in tables.keys() & form.model_fields_set:  # the defaults hold for other charsets too
        for code in tables[name]:
            if why := _never_in_a_cell(code, form.charset):
                yield Doubt(("format", name, code), f"{code!r} never matches: {why}")


def _never_in_a_cell(code: str, charset: str) -> str | None:
    if len(code) > MAX_CELL_CHARS:
        return f"a code has {MAX_CELL_CHARS} letters at most: give it as the export writes it"
    if not all(sign.isprintable() for sign in code):
        return "a cell has no control characters: write it without"
    if not any(_can_be_written(each, charset) for each in (code, code.upper(), code.title())):
        return f"{charset} cannot write it: give the export's charset, or its code"
    return None


def _can_be_written(code: str, charset: str) -> bool:
    try:
        code.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _files(settings: ElvisSettings) -> Iterator[Doubt]:
    if settings.format.has_header_rows:
        return
    for number, scope in enumerate(settings.scopes):
        place = ("scopes", str(number), "files")
        if common_name(scope.files, settings.watching.pattern) is None:
            text = (
                f"no name fits both {scope.files!r} and watching.pattern {settings.watching.pattern!r}: "
                "no file of the scope would be found; let them agree"
            )
            yield Doubt(place, text)
        for other in settings.scopes[:number]:
            if (name := common_name(scope.files, other.files)) is not None:
                text = (
                    f"a file named {name!r} would be of this scope and of {other.name!r}: let the "
                    "patterns exclude each other"
                )
                yield Doubt(place, text)


def _wards(settings: ElvisSettings, source: str, register: WardRegister) -> Iterator[Doubt]:
    """Wards that an export covers and the register has not: whoever lies there lies nowhere."""
    if register.is_open:
        return
    for number, scope in enumerate(settings.scopes):
        unknown = [
            ward for ward in scope.wards if register.resolve(source, ward) is Unresolved.UNKNOWN
        ]
        if unknown:
            text = (
                f"the register knows no {', '.join(map(repr, unknown))} of {source}: give the ward's row "
                f"the code under alias:{source}"
            )
            yield Doubt(("scopes", str(number), "wards"), text, is_error=False)
