"""Swedish patient and care-unit identifiers: their forms, check digits and names on the wire.

Sources: Skatteverket SKV 704 (personnummer, samordningsnummer), Inera's page on reserve numbers
(national and Västra Götaland), HSA (care units), HL7 Sweden base profiles (URIs). A number that
is of no known kind is *local*: kept with its assigner, never an error.

Forms, with C the Luhn check digit:

* personnummer ``YYYYMMDDNNNC``, NNN from 001, Luhn over the last ten;
* samordningsnummer the same with 60 added to the day;
* national reserve number ``XXYYMMDDNNGC``: XX is the century plus 3 (22 for 19, 23 for 20), NN
  letters without I O Q V W; an unknown date has MM 20-99 and DD 40-59;
* Västra Götaland's reserve number ``YYYYMMDDGggC``: G is K, M or X and counts as 5, 7, 8; Luhn
  over the last ten. An older variant checks all twelve and still circulates.
"""

from __future__ import annotations

import re
from calendar import monthrange
from enum import StrEnum
from typing import Final, NamedTuple


class IdentifierKind(StrEnum):
    """What a patient's number is. ``uncertain`` is a personnummer without its century."""

    PERSONNUMMER = "personnummer"
    SAMORDNINGSNUMMER = "samordningsnummer"
    NATIONAL_RESERVE = "nationellt-reservnummer"
    VGR_RESERVE = "vgr-reservnummer"
    UNCERTAIN = "uncertain"
    LOCAL = "local"


class Classified(NamedTuple):
    """A number's kind, its canonical value, and a stable warning code where one applies."""

    kind: IdentifierKind
    value: str
    warning: str | None = None


OIDS: Final[dict[str, IdentifierKind]] = {
    "1.2.752.129.2.1.3.1": IdentifierKind.PERSONNUMMER,
    "1.2.752.129.2.1.3.3": IdentifierKind.SAMORDNINGSNUMMER,
    "1.2.752.74.9.1": IdentifierKind.NATIONAL_RESERVE,
    "1.2.752.113.11.0.2.1.1.1": IdentifierKind.VGR_RESERVE,
}
URIS: Final[dict[str, IdentifierKind]] = {
    "http://electronichealth.se/identifier/personnummer": IdentifierKind.PERSONNUMMER,
    "http://electronichealth.se/identifier/samordningsnummer": IdentifierKind.SAMORDNINGSNUMMER,
    "http://electronichealth.se/identifier/nationelltReservnummer": IdentifierKind.NATIONAL_RESERVE,
}
OID_OF: Final = {uri: oid for uri, kind in URIS.items() for oid, of in OIDS.items() if of is kind}
"""A national assigner's OID, as HL7 v2 calls it, by the URI that FHIR calls it by."""
HSA_ID_OIDS: Final = frozenset({"1.2.752.129.2.1.4.1", "1.2.752.29.4.19"})
HSA_ID_MAX_CHARS: Final = 31

CHECK_DIGIT_OVER_12: Final = "check-digit-over-12-positions"
CENTURY_MISSING: Final = "century-missing"

# ASCII: other scripts' digits are digits to Python, and a long s is an S when case is ignored.
_HSA_ID = re.compile(r"SE\d{10}-[A-Z0-9]+", re.IGNORECASE | re.ASCII)
_TWELVE_DIGITS = re.compile(r"\d{8}(?!000)\d{4}", re.ASCII)  # birth numbers begin at 001
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY_OR_DAY_PLUS_60 = "(?:[06][1-9]|[1278][0-9]|[39][01])"
_TEN_DIGITS = re.compile(rf"\d{{2}}{_MONTH}{_DAY_OR_DAY_PLUS_60}[-+]?(?!000)\d{{4}}", re.ASCII)
_NATIONAL_RESERVE = re.compile(r"(\d{2})(\d{2})(\d{2})(\d{2})[A-HJ-NPR-UX-Z]{2}\d{2}", re.ASCII)
_VGR_RESERVE = re.compile(r"(\d{4})(\d{2})(\d{2})([KMX])(\d{2})(\d)", re.ASCII)
_VGR_LETTERS: Final = {"K": "5", "M": "7", "X": "8"}
_CENTURIES_PLUS_3: Final = frozenset({"21", "22", "23"})
_TEST_SERIES: Final = frozenset({"98", "99"})  # 98 in HL7 Sweden's published example
_UNKNOWN_SEX_PAIRS: Final = range(80, 90)
_KNOWN_SEX_PAIRS: Final = range(6, 80)


def luhn_digit(digits: str) -> int:
    """The Luhn (mod 10) check digit for a string of digits."""
    doubled = (int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits)))
    # position 0 is the rightmost digit before the check digit: it is doubled
    return -sum(n - 9 if n > 9 else n for n in doubled) % 10


def _luhn_holds(digits: str) -> bool:
    return luhn_digit(digits[:-1]) == int(digits[-1])


def _date_exists(year: int, month: int, day: int) -> bool:
    return year > 0 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def is_personnummer(value: str) -> bool:
    """Twelve digits, a date that exists, check digit over the last ten."""
    return _twelve_digits_hold(value, day_offset=0)


def is_samordningsnummer(value: str) -> bool:
    """As a personnummer, with 60 added to the day."""
    return _twelve_digits_hold(value, day_offset=60)


def _twelve_digits_hold(value: str, day_offset: int) -> bool:
    if not _TWELVE_DIGITS.fullmatch(value):
        return False
    day = int(value[6:8]) - day_offset
    return _date_exists(int(value[:4]), int(value[4:6]), day) and _luhn_holds(value[2:])


def is_national_reserve_number(value: str) -> bool:
    """``XXYYMMDDNNGC``. The check digit's rule is not public in full and is not checked."""
    match = _NATIONAL_RESERVE.fullmatch(value)
    if not match or match[1] not in _CENTURIES_PLUS_3 | _TEST_SERIES:
        return False
    year = (int(match[1]) - 3) * 100 + int(match[2])
    month, day = int(match[3]), int(match[4])
    return _date_exists(year, month, day) or (20 <= month <= 99 and 40 <= day <= 59)


def vgr_reserve_variant(value: str) -> int | None:
    """10 for a right check digit, 12 for the older variant, None if it is no such number."""
    match = _VGR_RESERVE.fullmatch(value)
    if not match or not _vgr_fields_hold(match):
        return None
    digits = value.replace(match[4], _VGR_LETTERS[match[4]])
    if _luhn_holds(digits[2:]):
        return 10
    return 12 if _luhn_holds(digits) else None


def _vgr_fields_hold(match: re.Match[str]) -> bool:
    pair = int(match[5])
    known_pair = pair in _KNOWN_SEX_PAIRS or pair in _UNKNOWN_SEX_PAIRS
    return known_pair and _date_exists(int(match[1]), int(match[2]), int(match[3]))


def is_hsa_id(value: str) -> bool:
    """``SE`` + ten digits + ``-`` + letters and digits, at most 31 characters."""
    return len(value) <= HSA_ID_MAX_CHARS and bool(_HSA_ID.fullmatch(value))


def canonical(value: str) -> str:
    """A number as it is compared: upper case, no blanks, no hyphen in front of the last four."""
    compact = value.replace(" ", "").upper()
    hyphen = -5
    if len(compact) == 13 and compact[hyphen] == "-":
        return compact[:hyphen] + compact[hyphen + 1 :]
    return compact


def classify(value: str) -> Classified:
    """What a number is by its own form. A letter in position nine is never a personnummer."""
    number = canonical(value)
    if is_personnummer(number):
        return Classified(IdentifierKind.PERSONNUMMER, number)
    if is_samordningsnummer(number):
        return Classified(IdentifierKind.SAMORDNINGSNUMMER, number)
    variant = vgr_reserve_variant(number)
    if variant:
        warning = CHECK_DIGIT_OVER_12 if variant == 12 else None
        return Classified(IdentifierKind.VGR_RESERVE, number, warning)
    if is_national_reserve_number(number):
        return Classified(IdentifierKind.NATIONAL_RESERVE, number)
    if _TEN_DIGITS.fullmatch(number) and _luhn_holds(re.sub(r"\D", "", number)):
        return Classified(IdentifierKind.UNCERTAIN, number, CENTURY_MISSING)
    return Classified(IdentifierKind.LOCAL, value.strip())
