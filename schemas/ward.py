"""The ward register: the only place where a ward code is resolved.

A register is closed (only what it lists exists) or open (each code stands for itself: for the
lab and for looking at foreign messages only). Codes and facilities compare without case and
surrounding blanks.

An alias is a code (``K52``), or a code with its facility (``52@SODER``; ``@`` and ``%`` that belong to
the code or the facility itself are written ``%40`` and ``%25``). A facility is what a source calls a
hospital, or a part of one that numbers its wards for itself.

Invariant: a place is never read as a ward of another facility than the one it is given with.

* A code that two wards of one source share is written with the facility on each of them; anything
  else is refused when the register is made.
* A place that gives a facility is the ward whose alias names that facility; else the ward whose
  alias (or id) names none, if the facility belongs to that ward's hospital. A facility belongs to a
  hospital by the hospital's own name, by ``facilities`` of any of its wards, or because an alias of
  any of its wards names it. One that nobody knows belongs to none: it may be another hospital.
* A name is given to one hospital of a source; anything else is refused when the register is made. A part
  by whose name the aliases of two hospitals go tells of neither where the alias names no facility.
* A place that gives no facility is the ward whose alias (or id) names none, if every alias with
  that code is this ward's; a code that is known with a facility only is ambiguous without it.
* Where a source's facility does not tell hospitals apart (all places carry the same one), the feed's
  settings leave it out; the register never sees it.
* An id that is an HSA-id is the same everywhere, whatever facility is given with it.

This decision and its alternatives: ADR 21.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Final, Literal, NamedTuple

from pydantic import Field

from schemas.base import Frozen
from schemas.identifiers import is_hsa_id

CareType = Literal["somatic", "psychiatric", "technical", "emergency", "other"]

SEPARATOR: Final = "@"
_ESCAPES: Final = (("%40", SEPARATOR), ("%25", "%"))  # in the order in which they are undone


class Ward(Frozen):
    """One care unit. ``aliases`` are the codes each source uses for it."""

    type: Literal["ward"] = "ward"
    version: Literal[1] = 1
    id: str = Field(description="HSA-id, or the installation's own code")
    name: str
    hospital: str
    care_type: CareType = "somatic"
    places: int | None = Field(
        None, ge=0, description="available places (disponibla vårdplatser); none: not told"
    )
    aliases: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="by source: CODE, or CODE@FACILITY where codes are shared"
    )
    facilities: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="by source: what it calls the ward's hospital"
    )


class Unresolved(Enum):
    """Why a code gives no ward."""

    UNKNOWN = auto()
    """No ward has the code."""
    AMBIGUOUS = auto()
    """Several may be meant, or the code is known with a facility only and none is given."""
    ELSEWHERE = auto()
    """The code is known, and not for the facility that is given with it."""


class RegisterFault(NamedTuple):
    """Why a ward cannot stand in the register beside the others."""

    ward: str
    text: str


class RegisterFaultsError(ValueError):
    """The wards make no register; ``faults`` has every reason."""

    def __init__(self, faults: Iterable[RegisterFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(fault.text for fault in self.faults))


class WardRegister:
    """Resolves a source's codes to ward ids.

    Raises RegisterFaultsError where two wards cannot be told apart.
    """

    def __init__(self, wards: Iterable[Ward] = (), *, open_register: bool = False) -> None:
        self.wards: dict[str, Ward] = {}
        self.is_open = open_register
        self._by_id: dict[str, str] = {}
        self._by_alias = _Aliases()
        self._facilities = _Facilities()
        faults = [fault for ward in wards for fault in self._add(ward)]
        faults += self._by_alias.shared_without_facility(self.wards)
        faults += self._facilities.of_several_hospitals()
        if faults:
            raise RegisterFaultsError(faults)

    def _add(self, ward: Ward) -> Iterator[RegisterFault]:
        if self._by_id.setdefault(_folded(ward.id), ward.id) != ward.id or ward.id in self.wards:
            yield RegisterFault(ward.id, f"ward {ward.id!r} is listed twice")
            return
        self.wards[ward.id] = ward
        yield from self._by_alias.add(ward, self.wards)
        self._facilities.add(ward)

    def resolve(self, source: str, code: str, facilities: Iterable[str] = ()) -> str | Unresolved:
        """The ward id for a source's code (alias first, then the id itself), or why there is none.

        ``facilities``: the names by which the place gives its facility; none where it gives none.
        """
        folded = _folded(code)
        places = self._places(source, folded) if folded else _NO_PLACES
        if not places:
            return code.strip() if self.is_open and folded else Unresolved.UNKNOWN
        given = {_folded(name) for name in facilities} - {""}
        if not given:
            return _only(places.values()) if "" in places else Unresolved.AMBIGUOUS
        if is_hsa_id(code.strip()) and self._by_id.get(folded) in places.values():
            return self._by_id[folded]
        exact = [places[name] for name in given if name in places]
        found = _only(exact or self._of_the_hospital(source, places, given))
        if isinstance(found, str) and self._is_denied(source, self.wards[found].hospital, given):
            return Unresolved.AMBIGUOUS
        return found

    def knows_facility(self, source: str, name: str) -> bool:
        """Whether a source's name of a facility tells which hospital it is."""
        return bool(self._facilities.hospitals(source, _folded(name)))

    def is_elsewhere(self, source: str, ward: str, facilities: Iterable[str]) -> bool:
        """Whether one of the source's names of a facility is another hospital's than the ward's."""
        hospital = self.hospital_of(ward)
        given = {_folded(name) for name in facilities} - {""}
        return hospital is not None and self._is_denied(source, hospital, given)

    def doubts(self) -> list[RegisterFault]:
        """What may be meant as it stands, and is probably a mistake."""
        return list(self._facilities.of_other_hospitals())

    def hospital_of(self, ward: str) -> str | None:
        """The hospital of a ward id; None for a ward of an open register."""
        known = self.wards.get(ward)
        return known.hospital if known else None

    def _places(self, source: str, code: str) -> Mapping[str, str]:
        """Facility ("" for none) -> ward id, of everything that has this code."""
        found = self._by_alias.places(source, code)
        ward = self._by_id.get(code)
        return found if ward is None or "" in found else {**found, "": ward}

    def _is_denied(self, source: str, hospital: str, given: set[str]) -> bool:
        """Whether one of the names that are given is another hospital's."""
        known = (self._facilities.hospitals(source, name) for name in given)
        return any(hospital not in hospitals for hospitals in known if hospitals)

    def _of_the_hospital(
        self, source: str, places: Mapping[str, str], given: set[str]
    ) -> list[str]:
        """The wards with the code that lie in a hospital that is given.

        An alias with a facility of its own gives way to the hospital's names only: another part of
        the same hospital is another place.
        """
        return [
            ward
            for facility, ward in places.items()
            if any(
                self.wards[ward].hospital in self._hospitals(source, name, and_parts=not facility)
                for name in given
            )
        ]

    def _hospitals(self, source: str, name: str, *, and_parts: bool) -> set[str]:
        if and_parts:
            return self._facilities.parts_of_one(source, name)
        return self._facilities.hospitals(source, name, and_parts=False)


class _Aliases:
    """Source and code -> facility ("" for none) -> ward id; everything folded."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    def add(self, ward: Ward, wards: Mapping[str, Ward]) -> Iterator[RegisterFault]:
        """Know a ward's aliases; faults where one facility has a code twice."""
        for source, texts in ward.aliases.items():
            for text in texts:
                if odd := _odd(text):
                    yield RegisterFault(ward.id, f"alias {text!r} {odd}: {_FORM}")
                    continue
                code, facility = parted(text)
                places = self._known.setdefault((source, _folded(code)), {})
                other = places.setdefault(_folded(facility), ward.id)
                if other != ward.id and facility:
                    named = _named([other, ward.id], wards)
                    said = f"code {text!r} of source {source!r} names both {named}"
                    yield RegisterFault(ward.id, f"{said}: a facility has each code once")
                elif other != ward.id:
                    yield _shared(source, code, [other, ward.id], wards)

    def shared_without_facility(self, wards: Mapping[str, Ward]) -> Iterator[RegisterFault]:
        """Codes that one ward has with a facility and another has for whoever gives none."""
        for (source, code), places in self._known.items():
            if "" in places and len(set(places.values())) > 1:
                yield _shared(source, code, list(dict.fromkeys(places.values())), wards)

    def places(self, source: str, code: str) -> Mapping[str, str]:
        """Facility -> ward id, of a folded code."""
        return self._known.get((source, code), _NO_PLACES)


class _Facilities:
    """Which hospitals a source calls by a name; everything folded but the hospitals."""

    def __init__(self) -> None:
        self._by_own_name: dict[str, set[str]] = defaultdict(set)
        self._by_name: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._by_alias: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._given_by: dict[tuple[str, str], str] = {}  # the last ward that gives a name

    def add(self, ward: Ward) -> None:
        """Know a ward's hospital."""
        self._by_own_name[_folded(ward.hospital)].add(ward.hospital)
        for source, names in ward.facilities.items():
            for name in names:
                self._by_name[source, _folded(name)].add(ward.hospital)
                self._given_by[source, _folded(name)] = ward.id
        for source, texts in ward.aliases.items():
            for _, facility in map(parted, texts):
                self._by_alias[source, _folded(facility)].add(ward.hospital)

    def of_several_hospitals(self) -> Iterator[RegisterFault]:
        """Names that are given to two hospitals, or to one beside the other whose own name it is."""
        for (source, name), given in self._by_name.items():
            hospitals = sorted(given | self._by_own_name.get(name, _NOWHERE))
            if len(hospitals) > 1:
                named = " and ".join(map(repr, hospitals))
                text = (
                    f"facility {name!r} of source {source!r} names the hospitals {named}: a name "
                    "stands for one hospital; take it away from the rows of the others"
                )
                yield RegisterFault(self._given_by[source, name], text)

    def of_other_hospitals(self) -> Iterator[RegisterFault]:
        """Names that are given to one hospital and stand in an alias of another's ward.

        So it is where a hospital runs a ward in the house of another one, or by a slip of the pen.
        """
        for (source, name), given in self._by_name.items():
            for other in sorted(self._by_alias.get((source, name), _NOWHERE) - given):
                text = (
                    f"facility {name!r} of source {source!r} is {min(given)!r} by the column facility:, "
                    f"and an alias of a ward of {other!r} names it: is it that hospital's?"
                )
                yield RegisterFault(self._given_by[source, name], text)

    def parts_of_one(self, source: str, name: str) -> set[str]:
        """As :meth:`hospitals`; a part that two hospitals have by one name tells of neither."""
        found = self.hospitals(source, name)
        return found if len(found) == 1 else self.hospitals(source, name, and_parts=False)

    def hospitals(self, source: str, name: str, *, and_parts: bool = True) -> set[str]:
        """Those that a folded name stands for; ``and_parts``: as a part of it, too."""
        found = self._by_own_name.get(name, _NOWHERE) | self._by_name.get((source, name), _NOWHERE)
        return found | self._by_alias.get((source, name), _NOWHERE) if and_parts else found


_FORM: Final = f"write CODE or CODE{SEPARATOR}FACILITY, an {SEPARATOR} of their own as %40"
_NO_PLACES: Final[Mapping[str, str]] = {}
_NOWHERE: Final[set[str]] = set()


def parted(alias: str) -> tuple[str, str]:
    """The code and the facility of an alias as it is written; the facility is "" where it has none."""
    code, _, facility = alias.partition(SEPARATOR)
    return _unescaped(code), _unescaped(facility)


def _odd(alias: str) -> str | None:
    if alias.count(SEPARATOR) > 1:
        return f"has more than one {SEPARATOR}"
    is_half = SEPARATOR in alias and not all(part.strip() for part in alias.split(SEPARATOR))
    return "is half of one" if is_half else None


def _folded(code: str) -> str:
    return code.strip().casefold()


def _unescaped(text: str) -> str:
    for escape, sign in _ESCAPES:
        text = text.replace(escape, sign)
    return text


def _only(wards: Iterable[str]) -> str | Unresolved:
    """The only ward among these; none is elsewhere, since the code is known."""
    found = set(wards)
    if len(found) == 1:
        return found.pop()
    return Unresolved.AMBIGUOUS if found else Unresolved.ELSEWHERE


def _named(ids: Iterable[str], wards: Mapping[str, Ward]) -> str:
    return " and ".join(f"{ward!r} ({wards[ward].hospital})" for ward in ids)


def _shared(source: str, code: str, ids: list[str], wards: Mapping[str, Ward]) -> RegisterFault:
    code = code.strip()
    said = f"code {code!r} of source {source!r} names both {_named(ids, wards)}"
    advice = f"write the facility with it on each, for example {code}{SEPARATOR}NORTH"
    return RegisterFault(ids[-1], f"{said}: {advice}")
